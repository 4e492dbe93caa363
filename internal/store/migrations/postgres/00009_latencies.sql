-- How long requests took, per endpoint: a sketch of all latencies in
-- microseconds for each hour and UTC day (internal/meter/sketch), from which
-- percentiles of any time are merged. Requests whose outcome is unknown are
-- left out: nobody knows how long they took.

-- +goose Up
create table latency_hour (
    period   bigint not null, -- its start
    service  integer not null,
    endpoint integer not null,
    sketch   bytea not null,
    primary key (period, service, endpoint)
) with (fillfactor = 70);

create table latency_day (
    period   bigint not null, -- its start
    service  integer not null,
    endpoint integer not null,
    sketch   bytea not null,
    primary key (period, service, endpoint)
) with (fillfactor = 70);

-- +goose Down
drop table latency_day;
drop table latency_hour;
