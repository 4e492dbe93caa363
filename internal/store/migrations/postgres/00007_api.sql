-- What the management API needs: tokens of its own, and the identities of usage
-- events that were sent in from outside. Scopes are a JSON array.

-- +goose Up
create table api_token (
    id           text collate "C" not null primary key,
    kind         text   not null check (kind in ('member', 'operator')),
    person_id    text collate "C" not null references person (id) on delete cascade,
    name         text   not null check (length(name) <= 100),
    hash         bytea  not null unique check (length(hash) = 32), -- SHA-256 of the token's text
    hint         text   not null,
    scopes       text   not null,
    created_at   bigint not null,
    expires_at   bigint,
    revoked_at   bigint,
    last_used_at bigint
);
create index api_token_by_person on api_token (person_id, created_at, id);

-- Kept for ever, longer than the events: the same source and id count once.
create table outside_event (
    source  integer not null, -- in usage_name
    id      text collate "C" not null,
    content bytea   not null, -- SHA-256 of what was said: the same again, or something else?
    event   bytea   not null, -- the ULID in usage_event; its time is when it was stored
    primary key (source, id)
);

-- +goose Down
drop table outside_event;
drop table api_token;
