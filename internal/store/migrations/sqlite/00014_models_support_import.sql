-- Files that customers upload (models for services, attachments of support
-- threads), the threads themselves, and what imported things were called elsewhere.
-- Content stands in parts, so that no row is large.

-- +goose Up
create table model (
    id          text    not null primary key,
    customer_id text    not null references customer (id) on delete cascade,
    service     text    not null,
    name        text    not null check (length(name) between 1 and 100),
    type        text    not null,
    size        integer not null check (size > 0),
    sha256      blob    not null check (length(sha256) = 32),
    state       text    not null check (state in ('uploaded', 'approved', 'rejected')),
    reason      text    not null,
    uploaded_by text    not null,
    created_at  integer not null,
    decided_by  text    not null,
    decided_at  integer,
    version     integer not null,
    unique (customer_id, service, sha256)
) strict, without rowid;
create index model_by_customer on model (customer_id, created_at, id);
create index model_by_state on model (state, created_at, id);

create table model_part (
    owner   text    not null references model (id) on delete cascade,
    part    integer not null,
    content blob    not null,
    primary key (owner, part)
) strict;

create table support_thread (
    id          text    not null primary key,
    customer_id text    not null references customer (id) on delete cascade,
    subject     text    not null check (length(subject) between 1 and 200),
    state       text    not null check (state in ('open', 'waiting', 'closed')),
    opened_by   text    not null,
    created_at  integer not null,
    updated_at  integer not null,
    messages    integer not null,
    version     integer not null
) strict, without rowid;
create index support_thread_by_customer on support_thread (customer_id, updated_at, id);
create index support_thread_by_state on support_thread (state, updated_at, id);
create index support_thread_by_update on support_thread (updated_at, id);

create table support_message (
    id          text    not null primary key,
    thread_id   text    not null references support_thread (id) on delete cascade,
    author      text    not null check (author in ('member', 'operator', 'system')),
    author_id   text    not null,
    author_name text    not null,
    body        text    not null check (length(body) between 1 and 10000),
    created_at  integer not null
) strict;
create index support_message_by_thread on support_message (thread_id, created_at, id);

create table support_attachment (
    id         text    not null primary key,
    thread_id  text    not null references support_thread (id) on delete cascade,
    message_id text    not null references support_message (id) on delete cascade,
    place      integer not null, -- among the files of its message
    name       text    not null check (length(name) between 1 and 100),
    media_type text    not null,
    size       integer not null check (size > 0),
    sha256     blob    not null check (length(sha256) = 32)
) strict, without rowid;
create index support_attachment_by_thread on support_attachment (thread_id, message_id, place);
create index support_attachment_by_message on support_attachment (message_id);

create table support_part (
    owner   text    not null references support_attachment (id) on delete cascade,
    part    integer not null,
    content blob    not null,
    primary key (owner, part)
) strict;

create table imported (
    kind     text not null check (kind in ('customer', 'key')),
    external text not null check (length(external) between 1 and 200),
    id       text not null,
    primary key (kind, external)
) strict, without rowid;

-- +goose Down
drop table imported;
drop table support_part;
drop table support_attachment;
drop table support_message;
drop table support_thread;
drop table model_part;
drop table model;
