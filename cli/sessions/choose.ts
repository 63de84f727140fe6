/** The stored conversations as a list to choose from. */
import type { SessionStore } from '../../core/sessions/store.ts';
import type { ChoiceList } from '../chat/choices.ts';
import { counted } from '../sizes.ts';
import { age, modelName } from './message-words.ts';

/** Older ones are found with percept sessions search. */
const MOST = 1000;

interface ListOptions {
  /** Id of the conversation that is open. */
  readonly current?: string;
  /** What Esc does. */
  readonly leaving?: string;
}

/** The last changed first. Undefined if there are none. */
export function sessionList(
  store: SessionStore,
  { current, leaving = 'leave' }: ListOptions,
): ChoiceList | undefined {
  const saved = store.list({ limit: MOST });
  if (saved.length === 0) return undefined;
  const choices = saved.map(({ id, title, model, messages, updatedAt }) => ({
    value: id,
    before: age(updatedAt),
    text: title,
    after: [modelName(model), counted(messages, 'message')],
    keywords: id,
    current: id === current,
  }));
  return { title: 'Stored conversations', choices, taking: 'continue', leaving };
}
