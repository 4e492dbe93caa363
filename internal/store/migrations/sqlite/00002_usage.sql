-- Usage: single events, the journal's cursors, and the rollups that every
-- question reads. Times and periods are Unix microseconds (UTC). Names (of
-- customers, keys, services, endpoints, units…) are interned in usage_name, so
-- that rows stay small and an upsert compares numbers.
--
-- class: 1 chargeable, 2 not billable, 3 test, 4 unknown.

-- +goose Up
create table usage_name (
    id   integer primary key,
    name text not null unique
) strict;
insert into usage_name (id, name) values (0, '');

create table usage_event (
    id           blob not null primary key, -- the ULID: ascends with time
    time         integer not null,
    request_id   text not null, -- '=' when it is the ULID's own text
    customer     integer not null,
    key          integer not null,
    plan         integer not null,
    plan_version integer not null,
    service      integer not null,
    endpoint     integer not null,
    method       text not null,
    status       integer not null,
    class        integer not null,
    latency      integer not null, -- microseconds
    bytes_in     integer not null,
    bytes_out    integer not null,
    units        text not null -- the reported units as a JSON object, '' for none
) strict, without rowid;
create index usage_event_by_customer on usage_event (customer, id);
create index usage_event_by_key      on usage_event (key, id);
create index usage_event_by_request  on usage_event (request_id) where request_id <> '' and request_id <> '=';
-- Failures are rare, and what one looks for: these stay small.
create index usage_event_failed             on usage_event (id) where status >= 500;
create index usage_event_failed_by_customer on usage_event (customer, id) where status >= 500;

-- What a crash left in doubt: kind is 'unknown' or 'undelivered?'.
create table usage_doubt (
    event blob not null primary key,
    kind  text not null
) strict, without rowid;

-- How far each journal lane has been drained.
create table journal_cursor (
    lane        text not null primary key,
    segment     integer not null,
    byte_offset integer not null
) strict, without rowid;

-- Quarters of an hour: what bills and quotas are made of. The sums of bytes and
-- of latency (microseconds) stand in the rows of the unit 'requests'.
create table rollup_quarter (
    customer     integer not null,
    period       integer not null, -- its start
    key          integer not null,
    plan_version integer not null,
    service      integer not null,
    endpoint     integer not null,
    status       integer not null, -- 2 for 2xx
    class        integer not null,
    unit         integer not null,
    amount       integer not null,
    bytes_in     integer not null,
    bytes_out    integer not null,
    latency      integer not null,
    primary key (customer, period, key, plan_version, service, endpoint, status, class, unit)
) strict, without rowid;
create index rollup_quarter_by_period on rollup_quarter (period);

-- Hours, for charts.
create table rollup_hour (
    customer     integer not null,
    period       integer not null, -- its start
    key          integer not null,
    plan_version integer not null,
    service      integer not null,
    endpoint     integer not null,
    status       integer not null, -- 2 for 2xx
    class        integer not null,
    unit         integer not null,
    amount       integer not null,
    bytes_in     integer not null,
    bytes_out    integer not null,
    latency      integer not null,
    primary key (customer, period, key, plan_version, service, endpoint, status, class, unit)
) strict, without rowid;
create index rollup_hour_by_period on rollup_hour (period);

-- UTC days, for charts.
create table rollup_day (
    customer     integer not null,
    period       integer not null, -- its start
    key          integer not null,
    plan_version integer not null,
    service      integer not null,
    endpoint     integer not null,
    status       integer not null, -- 2 for 2xx
    class        integer not null,
    unit         integer not null,
    amount       integer not null,
    bytes_in     integer not null,
    bytes_out    integer not null,
    latency      integer not null,
    primary key (customer, period, key, plan_version, service, endpoint, status, class, unit)
) strict, without rowid;
create index rollup_day_by_period on rollup_day (period);

-- The same over all customers: charts of the whole house must not add up a
-- million customers.
create table rollup_hour_total (
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

create table rollup_day_total (
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

-- Refused requests are never events: they are added up.
create table refusal_minute (
    customer integer not null,
    period   integer not null,
    key      integer not null,
    service  integer not null,
    policy   integer not null,
    reason   integer not null,
    amount   integer not null,
    primary key (customer, period, key, service, policy, reason)
) strict, without rowid;
create index refusal_minute_by_period on refusal_minute (period);

create table refusal_hour (
    customer integer not null,
    period   integer not null,
    service  integer not null,
    policy   integer not null,
    reason   integer not null,
    amount   integer not null,
    primary key (customer, period, service, policy, reason)
) strict, without rowid;
create index refusal_hour_by_period on refusal_hour (period);

-- +goose Down
drop table refusal_hour;
drop table refusal_minute;
drop table rollup_day_total;
drop table rollup_hour_total;
drop table rollup_day;
drop table rollup_hour;
drop table rollup_quarter;
drop table journal_cursor;
drop table usage_doubt;
drop table usage_event;
drop table usage_name;
