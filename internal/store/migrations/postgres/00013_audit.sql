-- The audit log, a chain of hashes that is only added to, and approvals: what
-- customers ask for and operators decide.
-- Times are Unix microseconds (UTC); before, after and payload are JSON objects,
-- '' for none. An entry is hashed as it stands (toll.Entry.Digest).

-- +goose Up
create table audit_entry (
    seq         bigint not null primary key, -- 1, 2, 3… without gaps
    at          bigint not null,
    kind        text not null,
    who         text collate "C" not null,
    role        text not null,
    signed_as   text not null,
    way         text not null,
    through     text not null,
    ip          text not null,
    action      text collate "C" not null,
    customer_id text collate "C" not null, -- no reference: an entry outlives what it is about
    object      text collate "C" not null,
    before      text not null,
    after       text not null,
    request_id  text not null,
    outcome     text not null check (outcome in ('done', 'refused')),
    prev        bytea not null check (length(prev) = 32),
    hash        bytea not null check (length(hash) = 32)
);
create index audit_entry_by_customer on audit_entry (customer_id, seq);
create index audit_entry_by_who      on audit_entry (who, seq);
create index audit_entry_by_action   on audit_entry (action, seq);
create index audit_entry_by_object   on audit_entry (object, seq);

-- The last entry: one row, which every writer takes first, so that the chain
-- has one end.
create table audit_head (
    id   bigint not null primary key check (id = 1),
    seq  bigint not null,
    hash bytea not null check (length(hash) = 32)
);
insert into audit_head (id, seq, hash) values (1, 0, decode(repeat('00', 32), 'hex'));

-- +goose StatementBegin
create function tollhouse_audit_stays() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log is only added to';
end
$$;
-- +goose StatementEnd
create trigger audit_entry_stays before update or delete or truncate on audit_entry
    for each statement execute function tollhouse_audit_stays();

create table approval (
    id          text collate "C" not null primary key, -- ascends with time
    kind        text not null check (kind in ('plan', 'limit', 'model')),
    customer_id text collate "C" not null references customer (id),
    subject     text not null, -- what it is about: a limit's name, a model's ID, '' for the plan
    asked_by    text not null, -- a person's ID; no reference: an approval outlives the person
    asked_at    bigint not null,
    payload     text not null,
    note        text not null check (length(note) <= 1000),
    state       text collate "C" not null check (state in ('pending', 'approved', 'rejected', 'withdrawn')),
    decided_by  text not null,
    decided_at  bigint,
    reason      text not null check (length(reason) <= 1000),
    version     bigint not null
);
create index approval_by_customer on approval (customer_id, id);
create index approval_by_state    on approval (state, id);
-- One question is asked once at a time.
create unique index approval_pending on approval (customer_id, kind, subject) where state = 'pending';

-- +goose Down
drop table approval;
drop table audit_head;
drop table audit_entry;
drop function tollhouse_audit_stays();
