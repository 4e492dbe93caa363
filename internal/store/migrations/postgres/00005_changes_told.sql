-- Every process that shares the database is told which customer or key another
-- one has changed: on the channel tollhouse_changes, as "TABLE ID". Draining
-- raises last_used_at alone, and no version, so it tells nobody.

-- +goose Up
-- +goose StatementBegin
create function tollhouse_tell() returns trigger language plpgsql as $$
begin
    perform pg_notify('tollhouse_changes', tg_table_name || ' ' || new.id);
    return null;
end
$$;
-- +goose StatementEnd
create trigger customer_told after insert or update of version on customer
    for each row execute function tollhouse_tell();
create trigger api_key_told after insert or update of version on api_key
    for each row execute function tollhouse_tell();

-- +goose Down
drop trigger api_key_told on api_key;
drop trigger customer_told on customer;
drop function tollhouse_tell();
