export { Engine } from './engine';
export { EngineError, type ErrorCode } from './errors';
export { randn, TorchGenerator } from './diffusion/noise';
export { SIMILARITY_MEASURES, SimilarityFilter, type SimilarityFilterOptions, type SimilarityMeasure } from './diffusion/similarity-filter';
export type {
  AdapterInfo,
  CfgType,
  EngineInfo,
  EngineOptions,
  FollowNewest,
  FrameId,
  Output,
  PredictionType,
  Prompt,
  RawImage,
  Scheduler,
  ServerOptions,
  Stream,
  StreamInput,
  StreamOptions,
  WeightedSeed,
} from './types';
