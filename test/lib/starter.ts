/**
 * Facts about the embedded model's pictures that tests rely on, in mean brightness from 0 to 255. They depend on its weights:
 * when it is trained again they are measured again, here and nowhere else.
 */

/** Brightness with its prompts for day and sunset. */
export const isDay = (brightness: number): boolean => brightness > 95;
/** Brightness with its prompts for night. */
export const isNight = (brightness: number): boolean => brightness < 80;
/** The least by which a day is brighter than a night of the same scene. */
export const DAY_ABOVE_NIGHT = 20;
/** The change of brightness at which another prompt has begun to show. */
export const BEGINS_TO_SHOW = 5;
/** A picture of one prompt changes by less than this while the scene moves. */
export const SAME_PROMPT = 15;
