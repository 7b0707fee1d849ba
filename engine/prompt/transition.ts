import type { PromptSpec, Transition } from './request';

/** The most targets that a conditioning may be between: a transition interrupted by the next one, and so on. */
export const MOST_TARGETS = 32;
/** A target with a smaller share in a conditioning is not missed. */
const LEAST_SHARE = 5e-4;

export type Target = Omit<PromptSpec, 'transition'>;

/** The method and pace of a transition. */
type Manner = Pick<Transition, 'method' | 'pace'>;

/** A target, and how much of the way to it was covered; 1 for the first. */
interface Link extends Manner {
  target: Target;
  position: number;
}

/** @param position 0..1 on the way between `from` and the target */
export function onTheWay(from: PromptSpec, target: Target, position: number, { method = 'linear', pace = 'picture' }: Manner): PromptSpec {
  if (position >= 1) return target;
  return { ...target, transition: { from, position, ...(method !== 'linear' && { method }), ...(pace !== 'picture' && { pace }) } };
}

/** How many targets the conditioning lies between. */
export function countTargets({ transition }: PromptSpec): number {
  return transition ? 1 + countTargets(transition.from) : 1;
}

/**
 * The same conditioning, or nearly so, between at most `most` targets: the one with the least share gives it to the next
 * newer one. With many targets, the least share is smaller than a transition's move in one frame.
 */
export function simplify(request: PromptSpec, most: number): PromptSpec {
  const links = linksOf(request);
  for (;;) {
    const { index, share } = leastShare(links);
    if (links.length <= most && share > LEAST_SHARE) break;
    const next = links[index + 1];
    if (next) next.position = 1 - (1 - links[index].position) * (1 - next.position);
    links.splice(index, 1);
  }
  const [first, ...others] = links;
  return others.reduce<PromptSpec>((from, { target, position, ...manner }) => onTheWay(from, target, position, manner), first.target);
}

/** Oldest first. */
function linksOf({ transition, ...target }: PromptSpec): Link[] {
  if (!transition) return [{ target, position: 1 }];
  const { from, ...link } = transition;
  return [...linksOf(from), { target, ...link }];
}

/** A link's share: how much of the way to it was covered, times what the newer ones leave. */
function leastShare(links: Link[]): { index: number; share: number } {
  let rest = 1;
  let least = { index: 0, share: Infinity };
  for (let index = links.length - 1; index >= 0; index--) {
    const share = rest * links[index].position;
    rest -= share;
    if (share < least.share) least = { index, share };
  }
  return least;
}
