-- The outbox: mail that was written in the transaction it tells of, and waits
-- to be sent. Tickets: what a link in a mail gives the right to, once. And
-- people who may not sign in any more.

-- +goose Up
create table mail (
    id          text collate "C" not null primary key,
    recipient   text   not null check (recipient <> ''),
    language    text   not null,
    kind        text   not null check (kind <> ''),
    content     text   not null, -- the values of the kind, a JSON object; {} once it was sent
    created_at  bigint not null,
    status      text   not null check (status in ('waiting', 'sent', 'kept', 'failed')),
    next_try_at bigint, -- also the end of the lease of who tries now; null when nobody need try
    tries       integer not null,
    done_at     bigint, -- when it was sent, kept or given up
    last_error  text   not null,
    check ((status = 'waiting') = (next_try_at is not null))
);
create index mail_waiting    on mail (next_try_at, id) where next_try_at is not null;
create index mail_by_created on mail (created_at, id);

create table ticket (
    id          text collate "C" not null primary key,
    kind        text   not null check (kind in ('sign_up', 'reset', 'invitation', 'email')),
    hash        bytea  not null unique check (length(hash) = 32), -- SHA-256 of the text in the link
    email       text collate "C" not null,
    person_id   text collate "C" references person (id) on delete cascade,   -- whose, of those that change a person
    customer_id text collate "C" references customer (id) on delete cascade, -- where to, of a member's invitation
    role        text   not null, -- of an invitation
    language    text   not null,
    invited_by  text   not null, -- the name of who invited
    created_at  bigint not null,
    expires_at  bigint not null
);
create index ticket_by_customer on ticket (customer_id, created_at, id);
create index ticket_by_person   on ticket (person_id, kind);
create index ticket_by_email    on ticket (email, kind);
create index ticket_by_end      on ticket (expires_at);

alter table person add column disabled_at bigint; -- since when the person may not sign in; null: they may

-- +goose Down
alter table person drop column disabled_at;
drop table ticket;
drop table mail;
