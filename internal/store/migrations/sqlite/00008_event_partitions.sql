-- SQLite has no partitions: what is too old is deleted, a few rows at a time
-- (retention.go).

-- +goose Up
-- Which single events are gone: those whose ID is smaller. One row.
create table usage_kept (
    since blob not null
) strict;
insert into usage_kept (since) values (x'');

-- +goose Down
drop table usage_kept;
