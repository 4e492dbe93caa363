-- What a key may be used for and from where, and what of its plan's limits is
-- otherwise for one customer. Lists are JSON arrays.

-- +goose Up
alter table api_key add column methods text not null default '[]'; -- of requests; empty: all
alter table api_key add column origins text not null default '[]'; -- address ranges; empty: everywhere
alter table api_key add column limits  text not null default '[]'; -- policies, as in a plan version's document
alter table customer add column overrides text not null default '[]'; -- policies, as in a plan version's document

-- +goose Down
alter table customer drop column overrides;
alter table api_key drop column limits;
alter table api_key drop column origins;
alter table api_key drop column methods;
