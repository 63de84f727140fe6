import { describe, expect, it } from 'vitest';
import {
  type Conversation,
  childrenOf,
  EMPTY_CONVERSATION,
  leavesOf,
  type MessageId,
  newestLeafBelow,
  nextId,
  pathTo,
  type Role,
  siblingsOf,
  type TreeMessage,
  versionOf,
  withMessage,
} from '../../core/conversation.ts';
import { Random } from '../../core/sampler/random.ts';

function message(id: MessageId, parent?: MessageId, role: Role = id % 2 === 1 ? 'user' : 'assistant') {
  const plain = { id, role, content: `message ${id}`, createdAt: '2026-01-02T03:04:05.000Z' };
  return parent === undefined ? plain : { ...plain, parent };
}

function treeOf(...messages: readonly TreeMessage[]): Conversation {
  return messages.reduce((tree, each) => withMessage(tree, each), EMPTY_CONVERSATION);
}

const ids = (messages: readonly TreeMessage[]) => messages.map(({ id }) => id);

/** A question, two answers, and more messages below the first: 1 - (2 - 4 - 5, 3). */
const FORKED = treeOf(
  message(1),
  message(2, 1, 'assistant'),
  message(3, 1, 'assistant'),
  message(4, 2, 'user'),
  message(5, 4, 'assistant'),
);

describe('a conversation', () => {
  it('begins empty', () => {
    expect(pathTo(EMPTY_CONVERSATION)).toEqual([]);
    expect(leavesOf(EMPTY_CONVERSATION)).toEqual([]);
    expect(nextId(EMPTY_CONVERSATION)).toBe(1);
  });

  it('is read along the branch that ends in its head', () => {
    expect(ids(pathTo(FORKED))).toEqual([1, 2, 4, 5]);
    expect(ids(pathTo({ ...FORKED, head: 3 }))).toEqual([1, 3]);
    expect(ids(pathTo(FORKED, 4))).toEqual([1, 2, 4]);
  });

  it('keeps the head on request', () => {
    expect(withMessage(FORKED, message(6, 3), FORKED.head).head).toBe(5);
  });

  it('knows siblings, children and leaves in the order they were added', () => {
    expect(ids(siblingsOf(FORKED, 3))).toEqual([2, 3]);
    expect(ids(childrenOf(FORKED, undefined))).toEqual([1]);
    expect(ids(leavesOf(FORKED))).toEqual([3, 5]);
  });

  it('counts versions among siblings of the same role', () => {
    expect(versionOf(FORKED, 3)).toEqual({ number: 2, of: 2 });
    expect(versionOf(FORKED, 4)).toBeUndefined();
    const withSystem = withMessage(FORKED, message(6, 2, 'system'));
    expect(versionOf(withSystem, 4)).toBeUndefined();
  });

  it('continues at the newest leaf of a branch, however old its fork', () => {
    expect(newestLeafBelow(FORKED, 1)).toBe(5);
    expect(newestLeafBelow(FORKED, 3)).toBe(3);
    const again = withMessage(FORKED, message(6, 3, 'user'));
    expect(newestLeafBelow(again, 1)).toBe(6);
  });

  it('refuses a message whose parent does not exist', () => {
    expect(() => withMessage(FORKED, message(6, 9))).toThrow(RangeError);
  });
});

describe('any sequence of messages', () => {
  it.each([1, 2, 3, 4, 5])('makes a tree (seed %i)', (seed) => {
    const random = new Random(seed);
    const any = <T>(items: readonly T[]): T => items[Math.floor(random.uniform() * items.length)]!;
    let tree = EMPTY_CONVERSATION;
    for (let n = 1; n <= 40; n++) {
      const before = tree;
      const parent = n === 1 || random.uniform() < 0.1 ? undefined : any([...tree.messages.keys()]);
      tree = withMessage(tree, message(nextId(tree), parent, any(['user', 'assistant', 'system'])));
      expect(before.messages.size).toBe(n - 1); // values do not change
      checkTree(tree);
    }
  });
});

function checkTree(tree: Conversation): void {
  const all = [...tree.messages.values()];
  const leaves = ids(leavesOf(tree));
  expect(ids(pathTo(tree)).at(-1)).toBe(tree.head);
  for (const { id, parent } of all) {
    const path = pathTo(tree, id);
    expect(path[0]!.parent).toBeUndefined();
    for (const [i, step] of path.slice(1).entries()) expect(step.parent).toBe(path[i]!.id);
    expect(ids(siblingsOf(tree, id))).toEqual(ids(childrenOf(tree, parent)));
    expect(ids(siblingsOf(tree, id))).toContain(id);
    const newest = newestLeafBelow(tree, id);
    expect(leaves).toContain(newest);
    expect(ids(pathTo(tree, newest))).toContain(id);
  }
  const reached = new Set(leaves.flatMap((leaf) => ids(pathTo(tree, leaf))));
  expect(reached.size).toBe(all.length);
}
