-- A customer who has left: the row stays for its invoices, without the name. Its
-- status is kept as suspended, so that a program that does not know the column
-- refuses it too.

-- +goose Up
alter table customer add column closed_at integer; -- null: it has not left

-- +goose Down
alter table customer drop column closed_at;
