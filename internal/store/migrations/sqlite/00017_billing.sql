-- Invoices, and what they are made of: the phases of subscriptions, coupons,
-- credits, who pays which tax. Times are Unix microseconds (UTC), NULL for
-- "never"; amounts are minor units of their currency; documents are JSON.

-- +goose Up
-- What each subscription was, and from when on. Add-ons are a JSON array.
create table subscription_phase (
    customer_id  text not null references customer (id),
    begins_at    integer not null,
    plan_version text not null,
    addons       text not null,
    primary key (customer_id, begins_at)
) strict, without rowid;
insert into subscription_phase (customer_id, begins_at, plan_version, addons)
    select id, coalesce(since, created_at), plan_version, addons from customer;

-- One row for each customer that has anything below. revision counts the changes
-- of all of it: who writes names the one it has read.
create table billing_account (
    customer_id text not null primary key references customer (id),
    country     text not null, -- ISO 3166-1 alpha-2, '' where nobody said
    tax_exempt  integer not null,
    revision    integer not null
) strict, without rowid;

-- The last number that was given out, of each kind of paper.
create table paper_number (
    kind text not null primary key,
    last integer not null
) strict, without rowid;

create table invoice (
    id            text not null primary key,
    customer_id   text not null references customer (id),
    number        text unique, -- NULL where the month cost nothing
    state         text not null check (state in ('open', 'paid', 'void', 'uncollectible', 'empty')),
    month_from    integer not null,
    month_to      integer not null,
    stored_before integer not null,
    currency      text not null,
    subtotal      integer not null,
    tax           integer not null,
    total         integer not null,
    credited      integer not null,
    due           integer not null,
    carried       integer not null,
    tax_rate      text not null, -- a document, '' for none
    terms         text not null, -- what the month was rated by
    splits        text not null, -- what became of every unit
    left_out      text not null, -- months whose corrections wait
    closed_at     integer,
    note          text not null,
    unique (customer_id, month_from),
    check ((number is null) = (state = 'empty'))
) strict, without rowid;
create index invoice_by_state on invoice (state, stored_before, id);

create table invoice_line (
    invoice_id text not null references invoice (id),
    position   integer not null, -- from 1
    month_from integer not null, -- of the month that it names
    late       integer not null,
    amount     integer not null,
    line       text not null, -- the whole line
    primary key (invoice_id, position)
) strict, without rowid;

-- Which events a month's usage is made of, by day.
create table invoice_evidence (
    invoice_id   text not null references invoice (id),
    month_from   integer not null,
    plan_version text not null,
    unit         text not null,
    day          integer not null, -- its beginning
    events       integer not null,
    amount       integer not null,
    first_event  blob not null,
    last_event   blob not null,
    digest       blob not null check (length(digest) = 32),
    primary key (invoice_id, month_from, plan_version, unit, day)
) strict, without rowid;

create table credit (
    id          text not null primary key,
    customer_id text not null references customer (id),
    currency    text not null,
    amount      integer not null check (amount > 0),
    remaining   integer not null check (remaining between 0 and amount),
    note        text not null,
    invoice_id  text references invoice (id), -- that it was carried from, NULL where it was granted
    granted_at  integer not null
) strict, without rowid;
create index credit_by_customer on credit (customer_id, granted_at, id);

create table coupon_redemption (
    customer_id text not null references customer (id),
    coupon      text not null, -- its name
    document    text not null, -- the coupon as it was given out
    begins_at   integer not null,
    ended_at    integer,
    primary key (customer_id, coupon)
) strict, without rowid;

-- +goose Down
drop table coupon_redemption;
drop table credit;
drop table invoice_evidence;
drop table invoice_line;
drop table invoice;
drop table paper_number;
drop table billing_account;
drop table subscription_phase;
