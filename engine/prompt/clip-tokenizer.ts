/** The two tables of a byte-pair encoding: the id of each token, and the pairs to join, best first. */
export interface BpeTables {
  vocab: Record<string, number>;
  /** `"a b"`, or `["a", "b"]` in newer files. */
  merges: string[] | [string, string][];
}

/** How texts are split into words before byte-pair encoding: English endings, words, single digits, runs of other signs. */
const words = String.raw`'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+`;

/** The pairs in a merges.txt: one a line, after a line that says the version. */
export function parseMerges(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('#version'));
}

/**
 * CLIP's tokenizer as a tokenizer.json, from its tables alone: normalisation (NFC, single spaces, lower case), words,
 * bytes, pairs with `</w>` at the end of a word, and the start and end tokens around the text.
 *
 * Stable Diffusion folders bring only the tables (vocab.json, merges.txt); a tokenizer.json that someone made from them
 * may lack the start and end tokens or split words differently, and the pictures then miss their prompts.
 * The structure is that of the published tokenizer.json of CLIP (openai/clip-vit-large-patch14).
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
        // The tokenizer lowers letter by letter, so a capital sigma becomes σ; JavaScript writes ς at the end of words.
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
