-- How people prove who they are, besides their passwords: keys that session
-- tokens are signed with, sign-ins that are half done, passkeys, authenticator
-- apps with recovery codes, and identities at OpenID providers.

-- +goose Up
alter table person add column time_zone text not null default '';
alter table session add column network text not null default '';
alter table session add column method text not null default 'password';
alter table session add column strong integer not null default 0 check (strong in (0, 1));
create index session_by_end on session (expires_at);

create table session_key (
    id         text not null primary key,
    sealed     blob    not null,
    created_at integer not null,
    retires_at integer
) strict, without rowid;

create table ceremony (
    hash       blob    not null primary key check (length(hash) = 32), -- SHA-256 of the text that the browser keeps
    purpose    text    not null,
    binding    text    not null,
    document   blob    not null,
    expires_at integer not null
) strict, without rowid;
create index ceremony_by_end on ceremony (expires_at);

create table passkey (
    id           text not null primary key,
    kind         text    not null check (kind in ('member', 'operator')),
    person_id    text not null references person (id) on delete cascade,
    name         text    not null check (length(name) between 1 and 100),
    credential   blob    not null unique,
    document     blob    not null,
    created_at   integer not null,
    last_used_at integer
) strict, without rowid;
create index passkey_by_person on passkey (person_id, created_at, id);

create table totp (
    person_id  text not null primary key references person (id) on delete cascade,
    sealed     blob    not null,
    last_step  integer not null,
    created_at integer not null
) strict, without rowid;

create table recovery_code (
    person_id text not null references person (id) on delete cascade,
    hash      blob not null check (length(hash) = 32),
    primary key (person_id, hash)
) strict, without rowid;

create table identity (
    issuer     text not null,
    subject    text not null,
    kind       text    not null check (kind in ('member', 'operator')),
    person_id  text not null references person (id) on delete cascade,
    email      text    not null,
    created_at integer not null,
    primary key (issuer, subject)
) strict, without rowid;
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
