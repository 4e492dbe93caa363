-- Single events in partitions by their ID, and so by when they came: a week
-- each, made by the program ahead of time (partition.go), dropped whole when
-- their time is over. What belongs to no week stands in usage_event_rest. What
-- was there before stays where it is, in usage_event_before.

-- +goose Up
alter table usage_event rename to usage_event_before;
alter table usage_event_before rename constraint usage_event_pkey to usage_event_before_pkey;
alter index usage_event_by_customer        rename to usage_event_before_by_customer;
alter index usage_event_by_key             rename to usage_event_before_by_key;
alter index usage_event_by_request         rename to usage_event_before_by_request;
alter index usage_event_failed             rename to usage_event_before_failed;
alter index usage_event_failed_by_customer rename to usage_event_before_failed_by_customer;

create table usage_event (like usage_event_before) partition by range (id);
alter table usage_event add constraint usage_event_pkey primary key (id);
create index usage_event_by_customer        on usage_event (customer, id);
create index usage_event_by_key             on usage_event (key, id);
create index usage_event_by_request         on usage_event (request_id) where request_id <> '' and request_id <> '=';
create index usage_event_failed             on usage_event (id) where status >= 500;
create index usage_event_failed_by_customer on usage_event (customer, id) where status >= 500;
create table usage_event_rest partition of usage_event default;

-- The old events go up to the end of the week of the newest, a Monday.
-- +goose StatementBegin
do $$
declare
    newest bytea := (select id from usage_event_before order by id desc limit 1);
    week   constant bigint := 7 * 86400000;
    monday constant bigint := 4 * 86400000; -- Unix time began on a Thursday
    ends   bigint;
begin
    if newest is null then
        drop table usage_event_before;
        return;
    end if;
    ends := ('x' || encode(substring(newest from 1 for 6), 'hex'))::bit(48)::bigint;
    ends := (ends - monday) / week * week + monday + week;
    execute format('alter table usage_event attach partition usage_event_before for values from (minvalue) to (%L)',
        decode(lpad(to_hex(ends), 12, '0'), 'hex'));
end
$$;
-- +goose StatementEnd

-- Which single events are gone: those whose ID is smaller. One row.
create table usage_kept (
    since bytea not null
);
insert into usage_kept (since) values ('');

-- +goose Down
drop table usage_kept;
create table usage_event_whole (like usage_event);
insert into usage_event_whole select * from usage_event;
drop table usage_event;
alter table usage_event_whole rename to usage_event;
alter table usage_event add constraint usage_event_pkey primary key (id);
create index usage_event_by_customer        on usage_event (customer, id);
create index usage_event_by_key             on usage_event (key, id);
create index usage_event_by_request         on usage_event (request_id) where request_id <> '' and request_id <> '=';
create index usage_event_failed             on usage_event (id) where status >= 500;
create index usage_event_failed_by_customer on usage_event (customer, id) where status >= 500;
