/** Exactly what was sent to models for an analysis: when, to which address, and each byte. */
import * as React from 'react';
import type { SentRequest } from '../../client/records';
import { download } from '../charts/save-chart';
import { Dialog } from '../controls/dialog';
import { bytes, count } from '../controls/format';
import { useServices } from '../services';
import { modeName } from './modes';

const FIRST = 2000;
const MOST_MARKS = 500;
const DELAY_MS = 250;

/** Lists the requests; one that is opened is fetched. */
export function SentDialog({ onClose }: { readonly onClose: () => void }): React.JSX.Element {
  const { trans, model } = useServices();
  const analysis = model.analysis ?? '';
  const [search, setSearch] = React.useState('');
  const [found, setFound] = React.useState<readonly SentRequest[] | null>(null);
  React.useEffect(() => {
    let current = true;
    const timer = setTimeout(
      () => {
        void model
          .attempt(() => model.store.rest.sent(analysis, search))
          .then(list => {
            if (current && list !== null) {
              setFound(list);
            }
          });
      },
      search === '' ? 0 : DELAY_MS
    );
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [analysis, model, search]);
  const total = found?.reduce((sum, request) => sum + request.bytes, 0) ?? 0;
  return (
    <Dialog title={trans.__('What was sent to models')} size="wide" onClose={onClose}>
      <p className="ak-Quiet">
        {trans.__(
          'Each request of this analysis, byte for byte. Keys travel in headers, which are not kept. The newest 32 to 64 MB are.'
        )}
      </p>
      <div className="ak-Row">
        <input
          className="ak-Input"
          type="search"
          aria-label={trans.__('Search in what was sent')}
          placeholder={trans.__('Search in what was sent')}
          value={search}
          onChange={event => {
            setSearch(event.target.value);
          }}
        />
        <button
          type="button"
          className="ak-Button"
          disabled={found === null || (found.length === 0 && search === '')}
          onClick={() =>
            void model
              .attempt(() => model.store.rest.sentArchive(analysis))
              .then(content => {
                if (content !== null) {
                  download(content, 'sent-to-models.zip');
                }
              })
          }
        >
          {trans.__('Download all')}
        </button>
      </div>
      <p className="ak-Quiet" role="status">
        {found === null
          ? trans.__('Loading …')
          : found.length === 0
            ? search === ''
              ? trans.__('Nothing was sent for this analysis.')
              : trans.__('No request holds this.')
            : trans._n('%1 request, %2', '%1 requests, %2', found.length, bytes(total))}
      </p>
      <ol className="ak-Sent" aria-label={trans.__('Requests')}>
        {found?.map(request => (
          <SentItem key={`${request.time} ${String(request.number)}`} {...{ request, search }} />
        ))}
      </ol>
    </Dialog>
  );
}

function SentItem(props: {
  readonly request: SentRequest;
  readonly search: string;
}): React.JSX.Element {
  const { request, search } = props;
  const { trans, model } = useServices();
  const [body, setBody] = React.useState<{ text: string; blob: Blob } | null>(null);
  const [whole, setWhole] = React.useState(false);
  const open = (): void => {
    const { analysis } = model;
    if (body === null && analysis !== null) {
      void model
        .attempt(async () => {
          const blob = await model.store.rest.sentBody(analysis, request);
          return { text: await blob.text(), blob };
        })
        .then(setBody);
    }
  };
  const cut = body !== null && !whole && body.text.length > FIRST;
  return (
    <li>
      <details
        onToggle={event => {
          if (event.currentTarget.open) {
            open();
          }
        }}
      >
        <summary>
          <span className="ak-Sent-when">{request.time.replace('T', ' ').slice(0, 19)} UTC</span>{' '}
          <span className="ak-Sent-where">{request.address}</span>{' '}
          <span className="ak-Quiet">
            {trans.__('%1 bytes', count(request.bytes))} · {modeName(request.privacy, trans)}
          </span>
        </summary>
        {body !== null && (
          <>
            <pre
              className="ak-Sent-body"
              tabIndex={0}
              aria-label={trans.__('Request %1', request.number)}
            >
              <Marked text={cut ? excerpt(body.text, search) : body.text} search={search} />
            </pre>
            <div className="ak-Row">
              {cut && (
                <button
                  type="button"
                  className="ak-Link"
                  onClick={() => {
                    setWhole(true);
                  }}
                >
                  {trans.__('Show all %1 characters', count(body.text.length))}
                </button>
              )}
              <button
                type="button"
                className="ak-Link"
                onClick={() => {
                  download(body.blob, `request-${String(request.number)}.json`);
                }}
              >
                {trans.__('Download')}
              </button>
            </div>
          </>
        )}
      </details>
    </li>
  );
}

/** Return the part of a long text that is shown first: its beginning, or around what was found. */
function excerpt(text: string, search: string): string {
  const at = search === '' ? -1 : text.indexOf(search);
  const start = at < 0 ? 0 : Math.max(0, at - FIRST / 2);
  const end = Math.min(text.length, start + FIRST);
  return `${start > 0 ? '… ' : ''}${text.slice(start, end)}${end < text.length ? ' …' : ''}`;
}

/** A text with what was searched for marked; whatever it holds, it is text. */
function Marked(props: { readonly text: string; readonly search: string }): React.JSX.Element {
  const { text, search } = props;
  if (search === '') {
    return <>{text}</>;
  }
  const parts = text.split(search);
  if (parts.length > MOST_MARKS) {
    return <>{text}</>;
  }
  return (
    <>
      {parts.map((part, index) => (
        <React.Fragment key={index}>
          {index > 0 && <mark>{search}</mark>}
          {part}
        </React.Fragment>
      ))}
    </>
  );
}
