-- The day module's own tables: nobody else reads or writes them.
CREATE TABLE IF NOT EXISTS {day.day} (
    user_id  TEXT   NOT NULL,
    date     TEXT   NOT NULL, -- 2006-01-02
    note     TEXT   NOT NULL,
    version  BIGINT NOT NULL, -- raised by each save
    saved_at BIGINT NOT NULL, -- microseconds since 1970, UTC
    PRIMARY KEY (user_id, date)
)
