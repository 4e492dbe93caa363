-- How people prove who they are, besides their passwords: keys that session
-- tokens are signed with, sign-ins that are half done, passkeys, authenticator
-- apps with recovery codes, and identities at OpenID providers.

-- +goose Up
alter table person add column time_zone text not null default '';
alter table session add column network text not null default '';
alter table session add column method text not null default 'password';
alter table session add column strong boolean not null default false;
create index session_by_end on session (expires_at);

create table session_key (
    id         text collate "C" not null primary key,
    sealed     bytea    not null,
    created_at bigint not null,
    retires_at bigint
);

create table ceremony (
    hash       bytea    not null primary key check (length(hash) = 32), -- SHA-256 of the text that the browser keeps
    purpose    text    not null,
    binding    text    not null,
    document   bytea    not null,
    expires_at bigint not null
);
create index ceremony_by_end on ceremony (expires_at);

create table passkey (
    id           text collate "C" not null primary key,
    kind         text    not null check (kind in ('member', 'operator')),
    person_id    text collate "C" not null references person (id) on delete cascade,
    name         text    not null check (length(name) between 1 and 100),
    credential   bytea    not null unique,
    document     bytea    not null,
    created_at   bigint not null,
    last_used_at bigint
);
create index passkey_by_person on passkey (person_id, created_at, id);

create table totp (
    person_id  text collate "C" not null primary key references person (id) on delete cascade,
    sealed     bytea    not null,
    last_step  bigint not null,
    created_at bigint not null
);

create table recovery_code (
    person_id text collate "C" not null references person (id) on delete cascade,
    hash      bytea not null check (length(hash) = 32),
    primary key (person_id, hash)
);

create table identity (
    issuer     text collate "C" not null,
    subject    text collate "C" not null,
    kind       text    not null check (kind in ('member', 'operator')),
    person_id  text collate "C" not null references person (id) on delete cascade,
    email      text    not null,
    created_at bigint not null,
    primary key (issuer, subject)
);
create index identity_by_person on identity (person_id, created_at);

-- +goose Down
drop table identity;
drop table recovery_code;
drop table totp;
drop table passkey;
drop table ceremony;
drop table session_key;
drop index session_by_end;
alter table session drop column strong;
alter table session drop column method;
alter table session drop column network;
alter table person drop column time_zone;
