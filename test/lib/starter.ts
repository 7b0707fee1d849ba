/**
 * What the embedded model's pictures are like, as far as tests rely on it, in mean brightness from 0 to 255. These are facts of
 * its weights: when it is trained anew they are measured anew, here and nowhere else.
 */

/** Of its prompts for day and sunset. */
export const isDay = (brightness: number): boolean => brightness > 95;
/** Of its prompts for night. */
export const isNight = (brightness: number): boolean => brightness < 80;
/** A day is brighter than a night of the same scene by at least so much. */
export const DAY_ABOVE_NIGHT = 20;
/** So much darker or brighter, and another prompt has begun to show. */
export const BEGINS_TO_SHOW = 5;
/** By less than this a picture of one prompt changes while the scene moves. */
export const SAME_PROMPT = 15;
