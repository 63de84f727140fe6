/**
 * Constants that the wasm kernels and the host (backends/cpu) share: both compilers read this file.
 * Addresses are bytes in the shared memory, below HEAP; the host plans everything above.
 */

// --- control block -------------------------------------------------------------------------------------------
// These three are used in the first memory only.
export const GENERATION = 1024; // i32: the host increments it to start the threads on COMMAND
export const COMMAND = 1028; // i32: LEAVE or RUN
export const DONE = 1088; // i32: generation whose step is finished
// The rest are used in every memory.
export const ARRIVED = 1152; // i32: threads at the barrier
export const PASSED = 1216; // i32: barriers passed
export const SLEEPERS = 1220; // i32: threads that sleep at the barrier
export const NEXT_TASK = 1280; // i32: next task of the running phase; zero after every barrier

export const LEAVE = 0;
export const RUN = 1;

// --- the step, written by the host before RUN -------------------------------------------------------------------
export const TOKENS = 1348; // T
export const OUTPUTS = 1352; // S
export const SLICES = 1356; // slices in the step
export const SINGLE = 1360; // if every slice is one token: chunks of keys in one task of attention; else 0
export const TOKEN_IDS = 1364; // address of i32 [T]
export const POSITIONS = 1368; // address of i32 [T]
export const OUTPUT_ROWS = 1372; // address of i32 [S]: row of the step's tokens
export const SLICE_LIST = 1376; // address of [slices]{first row, tokens, first position, address of its pages}
export const TOKEN_KV = 1380; // address of u32 [T]: address of the pages of the token's sequence
// Pages of a sequence: u32 [pages], each a byte offset from KEYS, VALUES and VALUE_SCALES
export const TRACED = 1384; // 1 if the step's only token leaves its attention weights; else 0
export const CHOICES = 1388; // rows of which the largest logits are wanted
export const CHOICE_LIST = 1392; // address of i32 [CHOICES]{row of the outputs, how many}
export const SLICE_SEQUENCES = 1404; // address of i32 [slices]: sequence

// --- constants that kernels load: V8 would rebuild a literal vector from a register at each use -----------------
export const LOW_NIBBLES = 1408; // 0x0f0f0f0f
export const HIGH_NIBBLES = 1412; // 0xf0f0f0f0
export const HALF_MASK = 1416; // 0x8fffe000: sign, exponent and mantissa of a widened f16
export const HALF_SCALE = 1420; // f32 2^112: the exponent bias of f32 less that of f16
export const SIGN_BYTES = 1424; // 0x80808080
export const FIFTH_BITS = 1432; // 0x10101010
export const HIGH_CRUMBS = 1448; // 0x30303030
export const UPPER_HALF = 1436; // 0xffff0000
export const HALF_IN = 1440; // f32 2^100: scales f16 weights, which are read 2^112 too small
export const HALF_OUT = 1444; // f32 2^12: scales their sums; so activations up to 2^28 do not overflow

export const EXP = 1472; // f32: constants of exp4 (simd.ts), in the order of use
export const POWER = 1536; // f32: constants of power (attention-int.ts): -125, then the coefficients from r^3 on

export const HEAP = 4096;

// --- classes of CPU by their dot products; each has its own module (dot.ts, scripts/build.ts) -----------------------
export const UNSIGNED = 0; // AVX-VNNI
export const SIGNED = 1; // ARM, AVX-VNNI-INT8
export const SATURATING = 2; // AVX2

// --- weight layouts (weight-layout.ts) ------------------------------------------------------------------------------
export const W_F32 = 0;
export const W_F16 = 1;
export const W_BF16 = 2;
export const W_Q4_0 = 3; // the first integer layout
export const W_Q4_1 = 4;
export const W_Q5_0 = 5;
export const W_Q5_1 = 6;
export const W_Q8_0 = 7;
export const W_IQ4_NL = 8;
export const W_MXFP4 = 9; // the last type with blocks of 32 weights; the rest have 256
export const W_Q2_K = 10;
export const W_Q3_K = 11;
export const W_Q4_K = 12;
export const W_Q5_K = 13;
export const W_Q6_K = 14;
export const W_IQ4_XS = 15;
export const W_TQ1_0 = 16;
export const W_TQ2_0 = 17;

export const GROUP = 16; // interleaved weight rows
export const BLOCK = 32; // activations that share a scale; weights of a row that lie together
export const TILE = 4; // tokens of an activation tile
export const TILED_ROWS = 3; // steps of at least this many rows use tiles; shorter ones run row by row
// The record of scales of an activation block and token, by bytes (quantize.ts).
export const BLOCK_SCALE = 0; // f32: value = scale * code
export const SCALED_SUM = 4; // f32: the scale times the sum of the codes
export const NEGATIVE_SUM = 8; // i32: minus the sum of the codes
export const LOW_SUM = 12; // f32: as SCALED_SUM, over the first 16 codes
export const HIGH_SUM = 16; // over the last 16
export const SCALE_BYTES = 20; // of a record
export const CHUNK = 128; // keys that attention takes at a time
export const QUERY_BLOCK = 16; // tokens whose attention is one task
export const CHOICE_MOST = 128; // logits that a slice may want of a row
export const CHOICE_BLOCK = 64; // columns whose maximum is kept
export const CHOICE_PART = 4096; // columns of a task
export const CHOICE_BYTES = 8 + 8 * CHOICE_MOST; // of a row of results
export const CHUNK_SCRATCH = 4096; // bytes of scores and weights of a tile and a chunk

// --- phases ---------------------------------------------------------------------------------------------------------
// A phase is 64 words: [kind, rows mode, ...parameters]. Below, each kind is followed by its word numbers. Words from
// 12 on differ between kinds.
export const PHASE_BYTES = 256;
export const END = 0;
export const EMBED = 1;
export const PREPARE = 2;
export const MATMUL = 3;
export const STORE_KV = 4;
export const ATTENTION = 5;
export const RMS_NORM = 6;
export const ROPE = 7;
export const MAP = 8;
export const ZIP = 9;
export const SELECT = 10;
export const SOFTMAX = 11;
export const SCAN_CHOICES = 12; // choose.ts
export const PICK_CHOICES = 13;
export const CONV = 14;
export const LAYER_NORM = 15;
export const ROUTE = 16;
export const PREPARE_EXPERTS = 17;
export const EXPERT_MATMUL = 18;
export const MIX = 19;
export const CONCAT = 20;
export const SCAN = 21;

// FUNCTION of MAP, and GATE of MATMUL (kernels/reference/map.ts)
export const MAP_SILU = 0;
export const MAP_XIELU = 1;
export const MAP_GELU = 2;
export const MAP_MULTIPLY = 3;
export const MAP_GELU_ERF = 4;
export const MAP_SOFTCAP = 5;
export const MAP_SIGMOID = 6;
export const MAP_SOFTPLUS = 7;
export const MAP_RELU_SQUARED = 8;
// FUNCTION of ZIP (kernels/reference/zip.ts)
export const ZIP_ADD = 0;
export const ZIP_MUL = 1;
export const ZIP_CLAMPED_SWIGLU = 2;

export const KIND = 0;
export const ROWS = 1; // ROWS_TOKENS, ROWS_OUTPUTS or ROWS_CHOICES
export const ROWS_TOKENS = 0; // the phase runs over the T tokens
export const ROWS_OUTPUTS = 1; // over the S selected rows
export const ROWS_CHOICES = 2; // over the rows of which the largest logits are wanted

// Addresses are absolute, strides in bytes; "scratch" offsets count from the thread's own scratch.
// EMBED, RMS_NORM, ROPE, MAP, ZIP, SELECT, SOFTMAX, SCAN_CHOICES, PICK_CHOICES, CONV
export const OUT = 2;
export const OUT_STRIDE = 3;
export const COLS = 4;
export const X = 5;
export const X_STRIDE = 6;
export const Y = 7; // second operand of ZIP
export const Y_STRIDE = 8;
export const WEIGHT = 9; // RMS_NORM: f32 [NORM_COLS]; LAYER_NORM: f32 [cols]; EMBED: groups of 16 rows
export const WEIGHT_TYPE = 10; // EMBED
export const EPS = 11; // f32
export const FUNCTION = 12; // MAP, ZIP
export const NORM_COLS = 12; // RMS_NORM: columns of a head
export const NORM_STEP = 13; // RMS_NORM: bytes from the weights of a head to those of the next, or 0
export const NORM_BIAS = 12; // LAYER_NORM: f32 [cols], or 0
export const SCALARS = 13; // MAP: addresses of f32, one per learned scalar
export const CONCAT_HEADS = 12; // CONCAT
export const Y_COLS = 13; // CONCAT: of y; the rest are of x
export const ROW_IDS = 12; // EMBED: 0 token ids, 1 positions
export const MAXIMA = 12; // *_CHOICES: f32 [CHOICES][blocks of CHOICE_BLOCK columns]
export const PART_SUMS = 13; // *_CHOICES: [CHOICES][parts of CHOICE_PART columns]{f32 maximum, f32 sum}

// CONV, with WEIGHT: f32 [groups of 16 columns][TAPS][16]; of a single column [TAPS]
export const TAPS = 12; // K
export const TAP_BYTES = 13; // of the weights, from one tap to the next
export const PAST = 14; // of sequence 0: f32 [groups of 16 columns][TAPS - 1][16], the rows of x in front of the next
export const PAST_BYTES = 15; // from one sequence to the next
export const CONV_BIAS = 16; // f32 [columns], or 0

// SCAN, with X: queries; Y: steps; WEIGHT: f32 [heads], the decay rates; PAST_BYTES, K_ROWS, V_ROWS and their strides
// PAST of sequence 0: f32 [heads][groups of 16 columns][keys][16]
export const SCAN_RULE = 12; // SCAN_SSM or SCAN_DELTA
export const SCAN_SSM = 0;
export const SCAN_DELTA = 1;
export const SCAN_SKIP = 13; // f32 [heads], or 0
export const SCAN_HEADS = 16;
export const SCAN_GROUPS = 17; // of heads with the same queries and keys
export const SCAN_CYCLIC = 22; // 1 if head h reads group h modulo groups
export const SCAN_KEYS = 23; // N
export const SCAN_VALUES = 24; // P
export const BETA_ROWS = 25; // address of beta [T][heads]
export const BETA_STRIDE = 26;
export const SCAN_SCRATCH = 27; // scratch: f32 [2][16]

// PREPARE: a norm, unless WEIGHT is 0; then the forms that the next matmul reads
export const FORMS = 12; // PREPARE_INT8 | PREPARE_F32
export const PREPARE_INT8 = 1;
export const PREPARE_F32 = 2;
export const SHARED_INT = 13; // tiles of 4 tokens: codes [4 K], scales [K / 32][4]
export const SHARED_F32 = 14; // tiles of 4 tokens: f32 [K][4]
export const SMALL_INT = 15; // scratch: the same for single tokens, in steps below TILED_ROWS
export const SMALL_F32 = 16; // scratch: f32 [K] a token
export const ROW_SCRATCH = 17; // scratch: f32 [K], a normalized row

// MATMUL, with COLS = K, SHARED_*, SMALL_* as above
export const EPILOGUE = 18;
export const STORE = 0; // out = y
export const ACCUMULATE = 1; // out = residual + y
export const GATED = 2; // out = GATE(y of segment 0) * (y of segment 1)
export const LONG_TASKS = 12; // in steps of few tiles: the first tasks, of LONG_GROUPS groups each
export const LONG_GROUPS = 17;
export const SHORT_GROUPS = 19; // groups of each task after them
export const PANEL = 20; // scratch: RESULT_BYTES, then codes and scales, or f32, of two segments
export const RESULT_BYTES = 1024; // results of one tile, f32 [4][16]: two segments of one plane, then of the other
export const PANEL_BYTES = 21; // of one segment
export const SEGMENTS = 22; // number of matrices that read the same x
export const GATE = 23; // GATED: a function of MAP
export const SEGMENT_TABLE = 24; // SEGMENT_WORDS for each segment:
export const SEGMENT_WORDS = 8;
export const MOST_SEGMENTS = 5; // (PHASE_BYTES / 4 - SEGMENT_TABLE) / SEGMENT_WORDS
export const S_WEIGHT = 0;
export const S_TYPE = 1;
export const S_GROUPS = 2;
export const S_OUT = 3;
export const S_OUT_STRIDE = 4;
export const S_BIAS = 5; // f32 [rows] or 0
export const S_RESIDUAL = 6; // ACCUMULATE
export const S_RESIDUAL_STRIDE = 7;

// ROUTE, with COLS = experts, WEIGHT = the bias f32 [experts] or 0, ROW_SCRATCH: f32 scores and merits
export const ROUTE_SIGMOID = 12; // 1 for sigmoid, 0 for softmax
export const ROUTE_SCALES = 13; // f32 [experts] or 0
export const ROUTE_NORMALIZED = 14;
export const ROUTE_SCALE = 15; // f32
export const ROUTE_GROUPS = 18; // 0 without
export const ROUTE_GROUPS_USED = 19;

// PREPARE_EXPERTS, EXPERT_MATMUL and MIX: words of PREPARE and MATMUL, with groups of one expert
export const PICKS = 40; // f32 [PICK_COUNT] experts, then f32 [PICK_COUNT] weights; or 0: every expert once
export const PICKS_STRIDE = 41;
export const PICK_COUNT = 42; // ROUTE too
export const EXPERTS = 43;
export const SORTED = 44; // scratch: the pairs of a token and an expert in the order of experts (experts.ts)
export const X_PARTS = 45; // parts of x: 1, or PICK_COUNT
export const EXPERT_ROWS = 46; // of the matrix of an expert
export const PLANES = 47; // of x in 8 bits: 1, or 2 with what rounding to the first one lost

// ROPE, STORE_KV, ATTENTION
export const ROPE_KIND = 12; // NO_ROPE, ROPE_INTERLEAVED, ROPE_HALF
export const NO_ROPE = 0;
export const ROPE_INTERLEAVED = 1;
export const ROPE_HALF = 2;
export const ROPE_PAIRS = 13; // rotated pairs of a head
export const ROPE_TABLE = 14; // f32 [position][pairs]{cos, sin}
export const HEADS = 15;
export const KV_HEADS = 16;
export const HEAD_DIM = 17; // of queries and keys
export const K_ROWS = 18; // address of k [T][KV_HEADS * HEAD_DIM]
export const K_STRIDE = 19;
export const V_ROWS = 20;
export const V_STRIDE = 21;
export const KEYS = 22; // of page 0 and the layer: [KV_HEADS][chunks] of KEY_CHUNK bytes each (kv-cache.ts)
export const VALUES = 23; // the same of VALUE_CHUNK bytes
export const CONTEXT = 24; // positions, a multiple of CHUNK
export const SCALE = 25; // f32
export const ATTENTION_SCRATCH = 26; // scratch
export const PARTIALS = 27; // states [SLICES][KV_HEADS][chunks][row tiles], for steps of single tokens
export const FINISHED = 28; // i32 [SLICES][KV_HEADS]: number of tasks that have written their states
export const KV_TYPE = 29;
export const KV_F32 = 0;
export const KV_F16 = 1;
export const KV_Q8 = 2;
export const KV_IN = 30; // f32: scales queries and weights before they are multiplied with the cache
export const KV_OUT = 31; // f32: scales the products (both 1, or HALF_IN and HALF_OUT)
export const KEY_CHUNK = 32;
export const VALUE_CHUNK = 33;
export const VALUE_SCALES = 34; // f32 [KV_HEADS][PAGE_POSITIONS], of page 0 and the layer
export const QUERY_BYTES = 35; // of a tile of queries
export const VALUE_DIM = 37; // of a head of values
export const PAGE_POSITIONS = 38; // a multiple of CHUNK
export const WINDOW = 39; // positions that a token sees, its own included; 0 for all
export const SOFTCAP = 40; // f32; 0 without
export const SINKS = 41; // f32 [HEADS] or 0
export const WHOLE = 42; // 1: a token sees tokens after its own too, those less than WINDOW away
export const PAGE_TABLE = 43; // bytes from the page table of a sequence to the part of it that lists pages of the layer
export const ATTENTION_WEIGHTS = 36; // f32 [HEADS][CONTEXT], written by traced steps
