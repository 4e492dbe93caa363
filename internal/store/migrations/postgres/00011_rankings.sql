-- What is asked of one customer must not read a page for every row: a row of a
-- rollup stands where its day was written, among those of a million customers.
-- Its amount goes into the primary key's index, where a customer's rows are next
-- to each other in the order of time, so that a month is a few pages of the index
-- and none of the table. An update then touches that index; the pages of days
-- that are over are marked as visible to all by a vacuum, which comes sooner than
-- it would by itself.
--
-- rollup_month ranks customers by what they used in a UTC month: the largest are
-- next to each other.

-- +goose Up
alter table rollup_quarter drop constraint rollup_quarter_pkey,
    add primary key (customer, period, key, plan_version, service, endpoint, status, class, unit) include (amount);
alter table rollup_quarter set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02);
alter table rollup_hour drop constraint rollup_hour_pkey,
    add primary key (customer, period, key, plan_version, service, endpoint, status, class, unit) include (amount);
alter table rollup_hour set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02);
alter table rollup_day drop constraint rollup_day_pkey,
    add primary key (customer, period, key, plan_version, service, endpoint, status, class, unit) include (amount);
alter table rollup_day set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02);
-- The wider key answers dashboards as well.
drop index rollup_hour_of_customer_by_time;
drop index rollup_day_of_customer_by_time;

create table rollup_month (
    period   bigint not null, -- the start of the UTC month
    unit     integer not null,
    customer integer not null,
    amount   bigint not null,
    primary key (period, unit, customer)
);
insert into rollup_month
select (extract(epoch from date_trunc('month', to_timestamp(period / 1000000) at time zone 'UTC')) * 1000000)::bigint, unit, customer, sum(amount)
from rollup_day group by 1, 2, 3;
create index rollup_month_by_amount on rollup_month (period, unit, amount desc);
-- Of a table that was just filled the planner knows nothing.
analyze rollup_month;

-- From which period on every sum of usage is kept, 0 while none was dropped.
alter table usage_kept add column sums_since bigint not null default 0;

-- +goose Down
alter table usage_kept drop column sums_since;
drop table rollup_month;
create index rollup_hour_of_customer_by_time on rollup_hour (customer, to_timestamp(period / 1000000.0));
create index rollup_day_of_customer_by_time  on rollup_day (customer, to_timestamp(period / 1000000.0));
alter table rollup_quarter reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor);
alter table rollup_quarter drop constraint rollup_quarter_pkey,
    add primary key (customer, period, key, plan_version, service, endpoint, status, class, unit);
alter table rollup_hour reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor);
alter table rollup_hour drop constraint rollup_hour_pkey,
    add primary key (customer, period, key, plan_version, service, endpoint, status, class, unit);
alter table rollup_day reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor);
alter table rollup_day drop constraint rollup_day_pkey,
    add primary key (customer, period, key, plan_version, service, endpoint, status, class, unit);
