-- en, fr, es; empty: not chosen
ALTER TABLE {user.user} ADD COLUMN language TEXT NOT NULL DEFAULT ''
