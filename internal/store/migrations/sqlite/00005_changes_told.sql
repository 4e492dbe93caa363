-- A file has one owner, who knows what it changes: there is nobody to tell.

-- +goose Up
select 1;

-- +goose Down
select 1;
