/** The user's and the project's own rules: a chip beside the datasets, and the files it opens. */
import * as React from 'react';
import type { InstructionsFile } from '../../client/records';
import { Dialog } from '../controls/dialog';
import { usePanel, useServices } from '../services';

const NONE: readonly InstructionsFile[] = [];

/** The chip; nothing where there is no file. */
export function InstructionsChip(): React.JSX.Element | null {
  const { trans, model } = useServices();
  const analysis = usePanel(m => m.analysis);
  // A question reads the files again, and a switch is said in a notice.
  const changes = usePanel(m => (m.state?.runs.length ?? 0) + (m.state?.notices.length ?? 0));
  const [files, setFiles] = React.useState(NONE);
  const [open, setOpen] = React.useState(false);
  const load = React.useCallback(() => {
    // Without an answer the chip is not there; a question says what is in force all the same.
    return model.store.rest.instructions(analysis, model.folder()).catch(() => NONE);
  }, [analysis, model]);
  React.useEffect(() => {
    let current = true;
    void load().then(found => {
      if (current) {
        setFiles(found);
      }
    });
    return () => {
      current = false;
    };
  }, [load, changes, open]);
  if (files.length === 0) {
    return null;
  }
  const holding = files.filter(file => file.state === 'holds').length;
  const waiting = files.filter(file => WAITS.has(file.state)).length;
  return (
    <>
      <button
        type="button"
        className="ak-Chip ak-Instructions-chip"
        aria-haspopup="dialog"
        title={files
          .map(file => `${file.path}: ${stateName(file, trans.__.bind(trans))}`)
          .join('\n')}
        onClick={() => {
          setOpen(true);
        }}
      >
        <span className="ak-Chip-name">
          {holding > 0
            ? trans._n('Instructions', 'Instructions (%1)', holding)
            : trans.__('Instructions off')}
        </span>
        {waiting > 0 && (
          <span className="ak-Chip-warning">
            <span aria-hidden="true">⚠</span>
            <span className="ak-Hidden">{trans._n('%1 to look at', '%1 to look at', waiting)}</span>
          </span>
        )}
      </button>
      {open && (
        <Dialog
          title={trans.__('Instructions')}
          size="wide"
          onClose={() => {
            setOpen(false);
          }}
        >
          <p className="ak-Quiet">
            {trans.__(
              'Rules that go with every question as your own words. A change holds from the next question on.'
            )}
          </p>
          <ul className="ak-Ledger" aria-label={trans.__('Files')}>
            {files.map(file => (
              <FileItem
                key={`${file.place} ${file.digest}`}
                file={file}
                onSwitch={async on => {
                  if (file.place === 'given') {
                    return;
                  }
                  const { place, digest } = file;
                  await model.send({ type: 'switch_instructions', place, digest, on });
                  setFiles(await load());
                }}
              />
            ))}
          </ul>
        </Dialog>
      )}
    </>
  );
}

const WAITS: ReadonlySet<string> = new Set(['new', 'changed', 'unusable']);

function FileItem(props: {
  readonly file: InstructionsFile;
  readonly onSwitch: (on: boolean) => Promise<void>;
}): React.JSX.Element {
  const { file, onSwitch } = props;
  const { trans } = useServices();
  const say = trans.__.bind(trans);
  return (
    <li className={file.state === 'off' ? 'ak-mod-off' : undefined}>
      <label className="ak-Instructions-file">
        <input
          type="checkbox"
          checked={file.state === 'holds'}
          disabled={file.state === 'unusable'}
          onChange={event => void onSwitch(event.target.checked)}
        />
        <span>
          <b>{file.path}</b>
          <span className="ak-Quiet ak-Mode-meaning">
            {file.place === 'user'
              ? trans.__('Yours, from Jupyter’s configuration folder')
              : trans.__('The project’s, beside the notebook; anybody may have written it')}
            {' · '}
            {stateName(file, say)}
          </span>
        </span>
      </label>
      {file.problem !== '' && (
        <p className="ak-Notice ak-mod-warning">{trans.__('Not used. %1', file.problem)}</p>
      )}
      {file.text !== '' && (
        <pre className="ak-Sent-body" tabIndex={0} aria-label={trans.__('Text of %1', file.path)}>
          {file.text}
        </pre>
      )}
    </li>
  );
}

function stateName(file: InstructionsFile, say: (text: string) => string): string {
  return {
    holds: say('in force'),
    off: say('switched off'),
    new: say('not used until you switch it on'),
    changed: say('changed since you switched it on; not used until you do again'),
    unusable: say('cannot be used')
  }[file.state];
}
