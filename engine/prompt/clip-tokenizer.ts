/** The two tables of a byte-pair encoding: token to id, and which pairs to join, best first. */
export interface BpeTables {
  vocab: Record<string, number>;
  /** `"a b"`, or `["a", "b"]` as newer files have it. */
  merges: string[] | [string, string][];
}

/** How texts fall into words before byte-pair encoding: English endings, words, single digits, runs of other signs. */
const words = String.raw`'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+`;

/** The pairs in a merges.txt: one a line, after a line that says the version. */
export function parseMerges(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('#version'));
}

/**
 * CLIP's tokenizer as a tokenizer.json, from its tables alone: normalisation (NFC, single spaces, lower case), words,
 * bytes, pairs with `</w>` at the end of a word, and the frame of start and end token.
 *
 * Stable Diffusion folders bring the tables only (vocab.json, merges.txt); a tokenizer.json that somebody made of them
 * may lack the frame or split words differently, and the pictures then miss their prompts.
 * Its structure is that of the published tokenizer.json of CLIP (openai/clip-vit-large-patch14).
 */
export function clipTokenizerJson({ vocab, merges }: BpeTables, bosToken: string, eosToken: string, padToken = eosToken): object {
  const framing = (content: string) => ({ id: vocab[content], content, special: true, normalized: false });
  return {
    // The pad token is special as well, as in transformers: Stable Diffusion 2 pads with "!", so each "!" in one of its
    // prompts is the id of padding, not a word.
    added_tokens: [...new Set([bosToken, eosToken, padToken])].filter((token) => token in vocab).map(framing),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: String.raw`\s+` }, content: ' ' },
        // Letter by letter, as the tokenizer has it, a capital sigma becomes σ; JavaScript knows the ς at the end of words.
        { type: 'Replace', pattern: { String: 'Σ' }, content: 'σ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: words }, behavior: 'Removed', invert: true },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    post_processor: {
      type: 'RobertaProcessing',
      cls: [bosToken, vocab[bosToken]],
      sep: [eosToken, vocab[eosToken]],
      trim_offsets: false,
      add_prefix_space: false,
    },
    decoder: null,
    model: {
      type: 'BPE',
      unk_token: eosToken,
      continuing_subword_prefix: '',
      end_of_word_suffix: '</w>',
      fuse_unk: false,
      vocab,
      merges,
    },
  };
}
