-- What quotas per IP counted, of each address in each period: the address by a
-- keyed hash whose key is not in the database. A row goes when its period is
-- over for two days.

-- +goose Up
create table address_quota (
    period   integer not null, -- its start
    every    text not null, -- day, month
    unit     integer not null,
    service  integer not null, -- the quota's scope; '' for all
    endpoint integer not null,
    address  blob not null,
    used     integer not null,
    primary key (period, every, unit, service, endpoint, address)
) strict, without rowid;

-- +goose Down
drop table address_quota;
