-- The day module's own tables: nobody else reads or writes them.
CREATE TABLE IF NOT EXISTS day_day (
    user_id  TEXT    NOT NULL,
    date     TEXT    NOT NULL, -- 2006-01-02
    note     TEXT    NOT NULL,
    version  INTEGER NOT NULL, -- raised by each save
    saved_at INTEGER NOT NULL, -- microseconds since 1970, UTC
    PRIMARY KEY (user_id, date)
) STRICT, WITHOUT ROWID;
