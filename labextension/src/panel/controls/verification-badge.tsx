/** The result of the last verification in one short line. */
import * as React from 'react';
import type { VerificationState } from '../../session/state';
import { useServices } from '../services';

export function VerificationBadge(props: {
  readonly verification: VerificationState;
  readonly className?: string;
}): React.JSX.Element | null {
  const { verification, className = '' } = props;
  const { trans } = useServices();
  const { reproduced, total, stale, reason } = verification;
  if (reproduced === null) {
    const done = Object.keys(verification.cells).length;
    return (
      <span className={`ak-Side ${className}`} role="status">
        {trans.__('Verifying, %1 of %2', done, total)}
      </span>
    );
  }
  const whole = reproduced === total && reason === '';
  const kind = stale ? ' ak-mod-stale' : whole ? '' : ' ak-mod-differs';
  return (
    <span
      className={`ak-Side ak-Verified${kind} ${className}`}
      title={
        reason ||
        (stale
          ? trans.__('The code changed since it ran again. Verify runs and compares it once more.')
          : trans.__(
              'Every cell ran again in a fresh kernel and was compared: the same code, the same outputs. Whether they answer the question was not checked.'
            ))
      }
      role="status"
    >
      {reason === '' ? (
        <>
          {whole ? '✓ ' : '≠ '}
          {trans.__('reproduced %1 of %2', reproduced, total)}
          {stale && ` · ${trans.__('changed since')}`}
        </>
      ) : (
        trans.__('not run again')
      )}
    </span>
  );
}
