/** What went wrong, for a user. */
import { faultOf } from '../../client/errors';

/** Return what went wrong and what to do next, in one text. */
export function sentenceOf(reason: unknown): string {
  const fault = faultOf(reason);
  return `${fault.message} ${fault.remedy}`.trim();
}
