-- The user module's own tables: nobody else reads or writes them.
CREATE TABLE IF NOT EXISTS {user.user} (
    id         TEXT   NOT NULL PRIMARY KEY,
    email      TEXT   NOT NULL UNIQUE, -- lower case
    name       TEXT   NOT NULL,
    password   TEXT   NOT NULL,        -- argon2id, as a PHC string
    created_at BIGINT NOT NULL         -- microseconds since 1970, UTC
)
