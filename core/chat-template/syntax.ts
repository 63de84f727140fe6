/** The syntax tree of a template. */
import type { Value } from './values.ts';

export interface CallArguments {
  readonly list: readonly Expression[];
  readonly named: readonly (readonly [name: string, value: Expression])[];
  readonly star?: Expression; // *list
  readonly stars?: Expression; // **mapping
}

export type Expression =
  | { readonly kind: 'constant'; readonly value: Value }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'tuple' | 'list'; readonly items: readonly Expression[] }
  | { readonly kind: 'mapping'; readonly entries: readonly (readonly [Expression, Expression])[] }
  | {
      readonly kind: 'choice'; // chosen if test else otherwise
      readonly test: Expression;
      readonly chosen: Expression;
      readonly otherwise?: Expression;
    }
  | { readonly kind: 'not' | 'negative' | 'positive'; readonly of: Expression }
  | { readonly kind: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | {
      readonly kind: 'binary';
      readonly operator: string;
      readonly left: Expression;
      readonly right: Expression;
    }
  | Comparison
  | { readonly kind: 'attribute'; readonly of: Expression; readonly name: string }
  | { readonly kind: 'item'; readonly of: Expression; readonly index: Expression }
  | {
      readonly kind: 'slice';
      readonly of: Expression;
      readonly start?: Expression;
      readonly stop?: Expression;
      readonly step?: Expression;
    }
  | CallExpression
  | FilterExpression
  | {
      readonly kind: 'test';
      readonly of: Expression;
      readonly name: string;
      readonly args: CallArguments;
    };

/** a < b <= c */
export interface Comparison {
  readonly kind: 'comparison';
  readonly first: Expression;
  readonly rest: readonly (readonly [operator: string, right: Expression])[];
}

export interface CallExpression {
  readonly kind: 'call';
  readonly callee: Expression;
  readonly args: CallArguments;
}

export interface FilterExpression {
  readonly kind: 'filter';
  readonly of: Expression | undefined; // undefined: the text of a block
  readonly name: string;
  readonly args: CallArguments;
}

/** Where a value goes: a name, a member of a namespace, or several of them. */
export type Target =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'member'; readonly namespace: string; readonly name: string }
  | { readonly kind: 'tuple'; readonly items: readonly Target[] };

export interface Macro {
  readonly kind: 'macro';
  readonly name: string;
  readonly parameters: readonly (readonly [name: string, byDefault: Expression | undefined])[];
  readonly body: Block;
}

export interface ForStatement {
  readonly kind: 'for';
  readonly target: Target;
  readonly list: Expression;
  readonly test?: Expression;
  readonly body: Block;
  readonly otherwise: Block;
  readonly recursive: boolean;
}

export type Statement =
  | { readonly kind: 'text'; readonly text: Value }
  | { readonly kind: 'output'; readonly value: Expression }
  | {
      readonly kind: 'if';
      readonly branches: readonly (readonly [Expression, Block])[];
      readonly otherwise: Block;
    }
  | ForStatement
  | { readonly kind: 'set'; readonly target: Target; readonly value: Expression }
  | { readonly kind: 'capture'; readonly target: Target; readonly filter?: Expression; readonly body: Block }
  | {
      readonly kind: 'with';
      readonly bindings: readonly (readonly [Target, Expression])[];
      readonly body: Block;
    }
  | { readonly kind: 'filtered'; readonly filter: Expression; readonly body: Block }
  | { readonly kind: 'escaping'; readonly on: Expression; readonly body: Block }
  | { readonly kind: 'scope'; readonly body: Block }
  | { readonly kind: 'call'; readonly call: CallExpression; readonly caller: Macro }
  | { readonly kind: 'break' | 'continue' }
  | Macro;

export type Block = readonly Statement[];
