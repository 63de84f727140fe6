/** The interpreter of @huggingface/jinja, open for overrides. */
import { Interpreter } from '@huggingface/jinja';
import type { Program } from './parser.ts';
import type { Scope, Value } from './values.ts';

/** A node of the syntax tree, with the fields that are read here. */
export interface Node {
  readonly type: string;
  readonly value: string; // Identifier, StringLiteral
  readonly body: readonly Node[]; // For
  readonly defaultBlock: readonly Node[];
  readonly iterable: Node;
  readonly loopvar: Node;
  readonly lhs: Node; // SelectExpression
  readonly operator: { readonly value: string }; // BinaryExpression
  readonly left: Node;
  readonly right: Node;
  readonly callee: Node; // CallExpression
  readonly args: readonly Node[];
  readonly object: Node; // MemberExpression
  readonly property: Node;
  readonly computed: boolean;
  readonly start?: Node; // SliceExpression
  readonly stop?: Node;
  readonly step?: Node;
  readonly operand: Node; // TestExpression
  readonly test: { readonly value: string };
  readonly negate: boolean;
  readonly known: Value; // Known
}

/** A node in place of one that was evaluated already. */
export const known = (value: Value): Node => ({ type: 'Known', known: value }) as Node;

/** These methods are private in the package's types. Its version is pinned, and tests cover the overrides. */
export const OpenInterpreter = Interpreter as unknown as new (
  globals: Scope,
) => {
  run(program: Program): Value;
  evaluate(node: Node | undefined, scope: Scope): Value;
  evaluateBlock(body: readonly Node[], scope: Scope): Value;
  evaluateFor(node: Node, scope: Scope): Value;
  evaluateArguments(args: readonly Node[], scope: Scope): [Value[], Map<string, Value>];
  evaluateCallExpression(node: Node, scope: Scope): Value;
  evaluateBinaryExpression(node: Node, scope: Scope): Value;
  evaluateMemberExpression(node: Node, scope: Scope): Value;
  evaluateSliceExpression(object: Value, slice: Node, scope: Scope): Value;
  evaluateTestExpression(node: Node, scope: Scope): Value;
  applyFilter(operand: Value, filter: Node, scope: Scope): Value;
};
