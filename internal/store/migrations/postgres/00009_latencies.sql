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

-- Quarters of an hour over all customers: the last hour of the whole house.
create table rollup_quarter_total (
    period    bigint not null,
    service   integer not null,
    endpoint  integer not null,
    status    smallint not null,
    class     smallint not null,
    unit      integer not null,
    amount    bigint not null,
    bytes_in  bigint not null,
    bytes_out bigint not null,
    latency   bigint not null,
    primary key (period, service, endpoint, status, class, unit)
) with (fillfactor = 70);
insert into rollup_quarter_total
select period, service, endpoint, status, class, unit, sum(amount), sum(bytes_in), sum(bytes_out), sum(latency)
from rollup_quarter group by period, service, endpoint, status, class, unit;

-- A dashboard that narrows the views by customer and time.
create index rollup_hour_of_customer_by_time on rollup_hour (customer, to_timestamp(period / 1000000.0));
create index rollup_day_of_customer_by_time  on rollup_day (customer, to_timestamp(period / 1000000.0));

-- +goose Down
drop index rollup_day_of_customer_by_time;
drop index rollup_hour_of_customer_by_time;
drop table rollup_quarter_total;
drop table latency_day;
drop table latency_hour;
