PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE grants (
    notebook TEXT NOT NULL,
    folder TEXT NOT NULL,
    path TEXT NOT NULL,
    given TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('file', 'folder')),
    granted_at REAL NOT NULL,
    PRIMARY KEY (notebook, path)
);
INSERT INTO "grants" VALUES('@ROOT@/asked.ipynb','@ROOT@','@ROOT@/birds.csv','@ROOT@/birds.csv','file',1.79591385971886563304e+09);
INSERT INTO "grants" VALUES('@ROOT@/which-species-is-the-heaviest.ipynb','@ROOT@','@ROOT@/birds.csv','@ROOT@/birds.csv','file',1.79591387992241787903e+09);
INSERT INTO "grants" VALUES('@ROOT@/which-species-is-the-heaviest-branch-1.ipynb','@ROOT@','@ROOT@/birds.csv','@ROOT@/birds.csv','file',1.79591387992241787903e+09);
INSERT INTO "grants" VALUES('@ROOT@/what-is-cut-off.ipynb','@ROOT@','@ROOT@/birds.csv','@ROOT@/birds.csv','file',1.79591388978737688062e+09);
CREATE INDEX grants_by_folder ON grants (folder);
COMMIT;
