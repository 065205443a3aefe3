PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE analyses (
    number INTEGER PRIMARY KEY,
    notebook TEXT NOT NULL,
    analysis TEXT NOT NULL,
    inode INTEGER, born INTEGER, size INTEGER, modified INTEGER, changed INTEGER,
    UNIQUE (notebook, analysis)
);
CREATE TABLE grants (
    number INTEGER NOT NULL REFERENCES analyses ON DELETE CASCADE,
    path TEXT NOT NULL,
    given TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('file', 'folder')),
    granted_at REAL NOT NULL,
    device INTEGER, inode INTEGER, born INTEGER, owner INTEGER,
    folder_inode INTEGER, folder_born INTEGER,
    PRIMARY KEY (number, path)
);
INSERT INTO "analyses" VALUES(1,'@ROOT@/a.ipynb','aaaaaaaaaaaa',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "grants" VALUES(1,'@ROOT@/x.csv','@ROOT@/x.csv','file',1795913859.5,NULL,NULL,NULL,NULL,NULL,NULL);
COMMIT;
