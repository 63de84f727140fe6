/**
 * The module that every thread of the CPU backend runs, once for each memory. The host writes a table of phases and a
 * step into shared memory. Each thread walks the whole table, takes tasks from a counter and waits for the others at a
 * barrier. No JavaScript runs between ops.
 */
import { attention } from './attention';
import { barrier } from './barrier';
import { pickChoices, scanChoices } from './choose';
import { conv } from './conv';
import { elementwise } from './elementwise';
import { embed } from './embed';
import { expertMatmul, mix, prepareExperts } from './experts';
import {
  ATTENTION,
  CONV,
  EMBED,
  END,
  EXPERT_MATMUL,
  KIND,
  MATMUL,
  MIX,
  PHASE_BYTES,
  PICK_CHOICES,
  PREPARE,
  PREPARE_EXPERTS,
  ROPE,
  ROUTE,
  SCAN,
  SCAN_CHOICES,
  SINGLE,
  STORE_KV,
  TILED_ROWS,
} from './layout';
import { storeKv } from './kv-cache';
import { matmul } from './matmul';
import { rowsOf, word } from './phase';
import { prepare } from './prepare';
import { rope } from './rope';
import { route } from './route';
import { scan } from './scan';

export { barrier as meet } from './barrier';
export { allFinite } from './finite';
export { repack } from './repack';
export { groupBytes } from './weight-layout';
export { multiplyRoof, readRoof } from './roofline';

/** Runs one phase; returns whether the threads must meet before the next. */
function runPhase(phase: usize, kind: i32, rows: i32, scratch: usize): bool {
  if (kind == MATMUL) matmul(phase, rows, scratch);
  else if (kind == PREPARE) {
    prepare(phase, rows, scratch);
    return rows >= TILED_ROWS;
  } else if (kind == EXPERT_MATMUL) expertMatmul(phase, rows, scratch);
  else if (kind == PREPARE_EXPERTS) {
    prepareExperts(phase, rows, scratch);
    return rows >= TILED_ROWS;
  } else if (kind == ATTENTION) attention(phase, scratch);
  else if (kind == STORE_KV) {
    if (load<i32>(SINGLE) != 0) return false;
    storeKv(phase, rows, scratch);
  } else if (kind == EMBED) embed(phase, rows, scratch);
  else if (kind == CONV) conv(phase);
  else if (kind == SCAN) scan(phase, scratch);
  else if (kind == ROPE) rope(phase, rows);
  else if (kind == ROUTE) route(phase, rows, scratch);
  else if (kind == MIX) mix(phase, rows);
  else if (kind == SCAN_CHOICES) scanChoices(phase, rows);
  else if (kind == PICK_CHOICES) pickChoices(phase, rows);
  else elementwise(phase, kind, rows);
  return true;
}

/** Runs the phases of the step from `table` to the END. `scratch` belongs to the thread. */
export function walk(table: usize, threads: i32, scratch: usize): void {
  for (let phase = table; word(phase, KIND) != END; phase += PHASE_BYTES) {
    const rows = rowsOf(phase);
    if (rows > 0 && runPhase(phase, word(phase, KIND), rows, scratch)) barrier(threads);
  }
  barrier(threads);
}
