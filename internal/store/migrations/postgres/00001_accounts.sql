-- Customers, their keys, people with their sessions, and plan versions.
-- Times are Unix microseconds (UTC), NULL for "never"; lists are JSON arrays.
-- collate "C" sorts by bytes, as SQLite does.

-- +goose Up
create table customer (
    id           text collate "C" not null primary key,
    name         text    not null check (length(name) between 1 and 200),
    name_folded  text collate "C" not null, -- the name in lower case: what is searched and sorted
    status       text    not null check (status in ('active', 'suspended')),
    plan         text    not null,
    plan_version text    not null,
    addons       text    not null,
    since        bigint,
    demo         boolean not null,
    created_at   bigint  not null,
    version      bigint  not null
);
create index customer_by_name    on customer (name_folded, id);
create index customer_by_created on customer (created_at, id);
create index customer_by_plan    on customer (plan, name_folded, id);
create index customer_by_status  on customer (status, name_folded, id);

create table api_key (
    id           text collate "C" not null primary key,
    customer_id  text collate "C" not null references customer (id),
    name         text    not null check (length(name) <= 100),
    mode         text    not null check (mode in ('live', 'test')),
    hash         bytea   not null unique check (length(hash) = 32), -- SHA-256 of the key's text
    hint         text    not null,
    services     text    not null,
    created_at   bigint  not null,
    expires_at   bigint,
    revoked_at   bigint,
    last_used_at bigint,
    replaced_by  text    not null,
    version      bigint  not null
);
create index api_key_by_customer on api_key (customer_id, created_at, id);

-- Members and operators in one table, so that the engine itself keeps an
-- e-mail address unique among both.
create table person (
    id            text collate "C" not null primary key,
    kind          text not null check (kind in ('member', 'operator')),
    customer_id   text collate "C" references customer (id),
    email         text collate "C" not null unique,
    name          text not null,
    role          text not null,
    password_hash text not null,
    language      text not null,
    created_at    bigint not null,
    check ((kind = 'member') = (customer_id is not null))
);
create index person_by_customer on person (customer_id, created_at, id);

create table session (
    id         text collate "C" not null primary key,
    kind       text not null check (kind in ('member', 'operator')),
    person_id  text collate "C" not null references person (id) on delete cascade,
    created_at bigint not null,
    seen_at    bigint,
    expires_at bigint,
    revoked_at bigint,
    user_agent text not null
);
create index session_by_person on session (person_id, created_at, id);

create table plan_version (
    id        text collate "C" not null primary key,
    plan      text not null,
    document  text not null, -- the whole plan as JSON
    loaded_at bigint not null
);

-- +goose Down
drop table plan_version;
drop table session;
drop table person;
drop table api_key;
drop table customer;
