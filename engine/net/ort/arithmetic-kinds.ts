/** How nets can compute: in float32, or in int8 with weights of eight or of seven bits. */
export type Arithmetic = 'float32' | 'int8' | 'int8-7bit';

/** Whether nets that can compute in int8 do: `auto` where that is exact and faster, true wherever it is exact, false never. */
export type Int8Wish = 'auto' | boolean;

export interface ArithmeticChoice {
  arithmetic: Arithmetic;
  /** What was tried and the result, in a sentence. */
  reason: string;
}
