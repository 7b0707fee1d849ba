"""The content that captions ask for, as classes for the classifier, which the few-step phase makes predictions follow."""
import torch
from torch.nn import functional as F

from .attributes import Attributes
from .captions import caption
from .classifier import CLASSES, labels
from .text_encoder import token_ids

WEIGHTS = {"time": .5, "land": .8, "thing": 1.9, "weather": 1., "celestial": 1., "style": 1., "colour": .5, "side": .3}
# Classes that the denoiser confuses most count more: round moons with crescents, spring with no style.
EMPHASIS = {"moon": 3., "crescent": 3., "spring": 2.5}
ABSENT = .25    # weight of attributes that neither scene nor caption has: no rainbow where none was asked for
OF_THING = ("colour", "side")


class Wishes:
    """Captions with their classes: `ids` [B, 24], `classes` and `weights` [B] of every attribute.

    Weight 0: the caption leaves this attribute of its scene open, or it is empty.
    """

    def __init__(self, ids, classes, weights):
        self.ids, self.classes, self.weights = ids, classes, weights

    def __getitem__(self, index):
        return Wishes(self.ids[index], *({name: v[index] for name, v in part.items()}
                                         for part in (self.classes, self.weights)))

    @staticmethod
    def join(parts):
        return Wishes(torch.cat([p.ids for p in parts]), *({name: torch.cat([getattr(p, kind)[name] for p in parts])
                      for name in CLASSES} for kind in ("classes", "weights")))


def draw_wishes(rng, records, drop=0.):
    """Fresh captions for scenes; a caption is empty with probability `drop`."""
    texts, open_to = [], []
    for record in records:
        unnamed = set()
        text = caption(rng, Attributes(**record), unnamed=unnamed)
        if rng.random() < drop:
            text, unnamed = "", set(CLASSES)
        if "thing" in unnamed:
            unnamed.update(OF_THING)
        texts.append(text)
        open_to.append(unnamed)
    classes = labels(records)
    weights = {name: torch.tensor([0. if name in unnamed else _weight(name, k)
                                   for unnamed, k in zip(open_to, classes[name].tolist())]) for name in CLASSES}
    return Wishes(token_ids(texts), classes, weights)


def _weight(name, index):
    value = CLASSES[name][index]
    return WEIGHTS[name] * (ABSENT if value in ("none", "clear") else EMPHASIS.get(value, 1.))


def wish_loss(logits, wishes):
    """Cross-entropy of every attribute that the captions settle, as a mean over the batch."""
    return sum((wishes.weights[name] * F.cross_entropy(logits[name].float(), wishes.classes[name], reduction="none")).mean()
               for name in CLASSES)


VARIED = ("time", "land")   # attributes that must vary where captions leave them open


def variety_loss(logits, wishes, chosen):
    """How far the kinds in pictures are from equally frequent, where captions leave time or land open; 0 if they are.

    `chosen`: a slice of the batch. Without this, captions without a time of day all become dark storms.
    """
    loss = 0.
    for name in VARIED:
        free = wishes.weights[name][chosen] == 0
        share = (logits[name][chosen].float().softmax(1) * free[:, None]).sum(0) / free.sum().clamp(min=1)
        count = share.shape[0]
        # n pictures can hold at most n kinds; most of log(n) is asked for.
        enough = .8 * torch.log(free.sum().clamp(min=1, max=count).float())
        loss = loss + (enough + (share * (share + 1e-6).log()).sum()).relu() * (free.sum() > 1)
    return loss


@torch.no_grad()
def granted(logits, wishes, name):
    """The number of named things of one attribute, and how many of them the classifier finds."""
    asked = wishes.weights[name] >= WEIGHTS[name]
    right = logits[name].argmax(1) == wishes.classes[name]
    return int(asked.sum()), int((right & asked).sum())
