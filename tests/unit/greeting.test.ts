import { describe, expect, it } from 'vitest';
import { clearGreeting, readGreeting } from '../../cli/greeting.ts';

describe('the greeting of the launcher', () => {
  it('is taken over once', () => {
    const env = { PERCEPT_GREETED: '\x1b[1A\r \x1b[J\r', OTHER: 'x' };
    expect(readGreeting(env)).toEqual({ said: true, erase: '\x1b[1A\r \x1b[J\r' });
    expect(readGreeting(env)).toEqual({ said: false, erase: '' });
    expect(env).toEqual({ OTHER: 'x' });
  });

  it('may be only the name', () => {
    expect(readGreeting({ PERCEPT_GREETED: '1' })).toEqual({ said: true, erase: '' });
  });

  it('is replaced by a line once; the name is not repeated', async () => {
    const env = { PERCEPT_GREETED: '\x1b[1A\r \x1b[J\r' };
    const printed: string[] = [];
    const output = { control: async (text: string) => void printed.push(text) };
    await clearGreeting(output, env);
    expect(readGreeting(env)).toEqual({ said: true, erase: '' });
    await clearGreeting(output, env);
    expect(readGreeting(env)).toEqual({ said: false, erase: '' });
    expect(printed).toEqual(['\x1b[1A\r \x1b[J\r', '']);
  });
});
