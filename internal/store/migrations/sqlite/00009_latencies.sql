-- How long requests took, per endpoint: a sketch of all latencies in
-- microseconds for each hour and UTC day (internal/meter/sketch), from which
-- percentiles of any time are merged. Requests whose outcome is unknown are
-- left out: nobody knows how long they took.

-- +goose Up
create table latency_hour (
    period   integer not null, -- its start
    service  integer not null,
    endpoint integer not null,
    sketch   blob not null,
    primary key (period, service, endpoint)
) strict, without rowid;

create table latency_day (
    period   integer not null, -- its start
    service  integer not null,
    endpoint integer not null,
    sketch   blob not null,
    primary key (period, service, endpoint)
) strict, without rowid;

-- Quarters of an hour over all customers: the last hour of the whole house.
create table rollup_quarter_total (
    period    integer not null,
    service   integer not null,
    endpoint  integer not null,
    status    integer not null,
    class     integer not null,
    unit      integer not null,
    amount    integer not null,
    bytes_in  integer not null,
    bytes_out integer not null,
    latency   integer not null,
    primary key (period, service, endpoint, status, class, unit)
) strict, without rowid;
insert into rollup_quarter_total
select period, service, endpoint, status, class, unit, sum(amount), sum(bytes_in), sum(bytes_out), sum(latency)
from rollup_quarter group by period, service, endpoint, status, class, unit;

-- +goose Down
drop table rollup_quarter_total;
drop table latency_day;
drop table latency_hour;
