-- Invoices, and what they are made of: the phases of subscriptions, coupons,
-- credits, who pays which tax. Times are Unix microseconds (UTC), NULL for
-- "never"; amounts are minor units of their currency; documents are JSON.

-- +goose Up
-- What each subscription was, and from when on. Add-ons are a JSON array.
create table subscription_phase (
    customer_id  text collate "C" not null references customer (id),
    begins_at    bigint not null,
    plan_version text collate "C" not null,
    addons       text not null,
    primary key (customer_id, begins_at)
);
insert into subscription_phase (customer_id, begins_at, plan_version, addons)
    select id, coalesce(since, created_at), plan_version, addons from customer;

-- One row for each customer that has anything below. revision counts the changes
-- of all of it: who writes names the one it has read.
create table billing_account (
    customer_id text collate "C" not null primary key references customer (id),
    country     text not null, -- ISO 3166-1 alpha-2, '' where nobody said
    tax_exempt  boolean not null,
    revision    bigint not null
);

-- The last number that was given out, of each kind of paper.
create table paper_number (
    kind text not null primary key,
    last bigint not null
);

create table invoice (
    id            text collate "C" not null primary key,
    customer_id   text collate "C" not null references customer (id),
    number        text collate "C" unique, -- NULL where the month cost nothing
    state         text not null check (state in ('open', 'paid', 'void', 'uncollectible', 'empty')),
    month_from    bigint not null,
    month_to      bigint not null,
    stored_before bigint not null,
    currency      text not null,
    subtotal      bigint not null,
    tax           bigint not null,
    total         bigint not null,
    credited      bigint not null,
    due           bigint not null,
    carried       bigint not null,
    tax_rate      text not null, -- a document, '' for none
    terms         text not null, -- what the month was rated by
    splits        text not null, -- what became of every unit
    left_out      text not null, -- months whose corrections wait
    closed_at     bigint,
    note          text not null,
    unique (customer_id, month_from),
    check ((number is null) = (state = 'empty'))
);
create index invoice_by_state on invoice (state, stored_before, id);

create table invoice_line (
    invoice_id text collate "C" not null references invoice (id),
    position   bigint not null, -- from 1
    month_from bigint not null, -- of the month that it names
    late       boolean not null,
    amount     bigint not null,
    line       text not null, -- the whole line
    primary key (invoice_id, position)
);

-- Which events a month's usage is made of, by day.
create table invoice_evidence (
    invoice_id   text collate "C" not null references invoice (id),
    month_from   bigint not null,
    plan_version text collate "C" not null,
    unit         text collate "C" not null,
    day          bigint not null, -- its beginning
    events       bigint not null,
    amount       bigint not null,
    first_event  bytea not null,
    last_event   bytea not null,
    digest       bytea not null check (length(digest) = 32),
    primary key (invoice_id, month_from, plan_version, unit, day)
);

create table credit (
    id          text collate "C" not null primary key,
    customer_id text collate "C" not null references customer (id),
    currency    text not null,
    amount      bigint not null check (amount > 0),
    remaining   bigint not null check (remaining between 0 and amount),
    note        text not null,
    invoice_id  text collate "C" references invoice (id), -- that it was carried from, NULL where it was granted
    granted_at  bigint not null
);
create index credit_by_customer on credit (customer_id, granted_at, id);

create table coupon_redemption (
    customer_id text collate "C" not null references customer (id),
    coupon      text collate "C" not null, -- its name
    document    text not null, -- the coupon as it was given out
    begins_at   bigint not null,
    ended_at    bigint,
    primary key (customer_id, coupon)
);

-- +goose Down
drop table coupon_redemption;
drop table credit;
drop table invoice_evidence;
drop table invoice_line;
drop table invoice;
drop table paper_number;
drop table billing_account;
drop table subscription_phase;
