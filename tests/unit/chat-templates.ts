/** Chat templates rendered in tests: the message Hi at noon, unless a test says otherwise. */
import { expect } from 'vitest';
import { ChatTemplate, type Message, type RenderOptions } from '../../core/chat-template.ts';
import { UserError } from '../../errors.ts';

export const NOON = new Date(2026, 0, 15, 12); // local time, as the goldens
export const HI: Message[] = [{ role: 'user', content: 'Hi' }];

export async function render(source: string, options: Partial<RenderOptions> = {}): Promise<string> {
  return (await ChatTemplate.parse(source)).render({ messages: HI, now: NOON, ...options });
}

export async function errorOf(rendering: Promise<string>): Promise<UserError> {
  const error = await rendering.then(
    (text) => text,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(UserError);
  return error as UserError;
}
