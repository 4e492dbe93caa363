-- rollup_month ranks customers by what they used in a UTC month: the largest are
-- next to each other. What is asked of one customer needs nothing new here: the
-- rollups are kept in the order of their key, so its rows are next to each other.

-- +goose Up
create table rollup_month (
    period   integer not null, -- the start of the UTC month
    unit     integer not null,
    customer integer not null,
    amount   integer not null,
    primary key (period, unit, customer)
) strict, without rowid;
insert into rollup_month
select cast(strftime('%s', period / 1000000, 'unixepoch', 'start of month') as integer) * 1000000, unit, customer, sum(amount)
from rollup_day group by 1, 2, 3;
create index rollup_month_by_amount on rollup_month (period, unit, amount desc);

-- From which period on every sum of usage is kept, 0 while none was dropped.
alter table usage_kept add column sums_since integer not null default 0;

-- +goose Down
alter table usage_kept drop column sums_since;
drop table rollup_month;
