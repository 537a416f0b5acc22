"""Train a network through a physics simulator that torch cannot see into: throwing a ball at a target, against wind and drag.

The simulator is a compiled loop that ends when the ball is in the ground. The network is told where the target is and what
wind blows, answers with a speed and an angle, and learns from where the ball lands: the miss flows back through the
simulator, whose derivative fastfd finds, into the weights. Nobody shows it a good throw.

    pip install "fastfd[torch,plot]"
    python examples/train_through_simulator.py [picture.png]
"""

import sys
import time

import numpy as np
import torch
from numba import njit

from fastfd.interop.torch import differentiable

GRAVITY, DRAG, STEP, LONGEST = 9.81, 0.015, 0.02, 2000  # m/s², 1/m, s, steps
NEAR, FAR, STORM = 10.0, 40.0, 8.0  # the nearest and the farthest target, m; the strongest wind, m/s
ROUNDS, BATCH = 400, 32


# --- the simulator ---------------------------------------------------------------------------------------------------


@njit
def acceleration(vx, vy, wind):
    """Gravity, and drag with the square of the speed relative to the air."""
    air = vx - wind
    drag = DRAG * np.sqrt(air * air + vy * vy)
    return -drag * air, -drag * vy - GRAVITY


@njit
def step(ball, wind):
    """A step of the midpoint rule from (x, y, vx, vy), and its accelerations."""
    x, y, vx, vy = ball
    ax, ay = acceleration(vx, vy, wind)
    ax, ay = acceleration(vx + STEP / 2 * ax, vy + STEP / 2 * ay, wind)
    x, y = x + STEP * (vx + STEP / 2 * ax), y + STEP * (vy + STEP / 2 * ay)
    return (x, y, vx + STEP * ax, vy + STEP * ay), ax, ay


@njit
def landing(throw, wind):
    """Where a ball thrown at a speed (m/s) and an angle (rad) hits the ground: within the last step, by its parabola.

    A simulator must end at throws that nobody would try too, for the search for a step size may: here with nan.
    """
    speed, angle = throw
    ball = (0.0, 0.0, speed * np.cos(angle), speed * np.sin(angle))
    for _ in range(LONGEST):
        following, ax, ay = step(ball, wind)
        if following[1] < 0.0:
            x, y, vx, vy = ball
            t = (-vy - np.sqrt(vy * vy - 2 * ay * y)) / ay
            return x + t * (vx + t / 2 * ax)
        ball = following
    return np.nan


def path(throw, wind):
    """All places of a flight, for the picture."""
    speed, angle = throw
    balls = [(0.0, 0.0, speed * np.cos(angle), speed * np.sin(angle))]
    while balls[-1][1] >= 0.0:
        balls.append(step(balls[-1], wind)[0])
    return np.array(balls)[:, :2]


# --- the thrower -----------------------------------------------------------------------------------------------------


class Thrower(torch.nn.Module):
    """A target and a wind in, a speed of 8 to 48 m/s and an angle of 15 to 75 degrees out."""

    def __init__(self):
        super().__init__()
        first, second, last = (torch.nn.Linear(*sizes) for sizes in ((2, 32), (32, 32), (32, 2)))
        self.layers = torch.nn.Sequential(first, torch.nn.Tanh(), second, torch.nn.Tanh(), last, torch.nn.Sigmoid())

    def forward(self, target, wind):
        situation = torch.stack([(2 * target - NEAR - FAR) / (FAR - NEAR), wind / STORM], 1)
        speed, angle = self.layers(situation).unbind(1)
        return torch.stack([8.0 + 40.0 * speed, torch.deg2rad(15.0 + 60.0 * angle)], 1)


def situations(count):
    return NEAR + (FAR - NEAR) * torch.rand(count), STORM * (2 * torch.rand(count) - 1)


throw_all = torch.vmap(differentiable(landing))  # one flight after the other, each with its own gradient


def misses(thrower, target, wind):
    return throw_all(thrower(target, wind), wind) - target


def train(thrower):
    """The typical miss of each round, m."""
    optimizer = torch.optim.Adam(thrower.parameters(), lr=2e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, ROUNDS)
    history = []
    for _ in range(ROUNDS):
        miss = misses(thrower, *situations(BATCH))
        optimizer.zero_grad()
        (miss**2).mean().backward()
        optimizer.step()
        schedule.step()
        history.append(float(miss.detach().abs().median()))
    return history


def formula(target, wind):
    """What physics at school says: no air, 45 degrees."""
    return torch.stack([(GRAVITY * target).sqrt(), torch.full_like(target, torch.pi / 4)], 1)


# --- what came of it -------------------------------------------------------------------------------------------------


def report(name, thrower, target, wind):
    with torch.no_grad():
        miss = misses(thrower, target, wind).abs()
    print(f"{name:<34} {miss.median():8.2f} {miss.max():8.2f}")


def draw(file, thrower, history):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9.0, 3.4), layout="constrained", width_ratios=(2, 1))
    for wind, colour in ((-STORM, "#0072B2"), (STORM, "#D55E00")):
        for target in (15.0, 25.0, 35.0):
            throw = thrower(torch.tensor([target]), torch.tensor([wind]))[0].tolist()
            axes[0].plot(*path(throw, wind).T, color=colour, label=f"wind {wind:+.0f} m/s" if target == 15.0 else None)
            axes[0].plot(target, 0.0, "k^", ms=8, clip_on=False, label="target" if wind > 0 and target == 15.0 else None)
    axes[0].set(xlabel="distance (m)", ylabel="height (m)", ylim=(0, None), title="throws of the trained network")
    axes[0].legend(frameon=False)
    axes[1].semilogy(history, color="#009E73")
    axes[1].set(xlabel="round", ylabel="median miss (m)", title="training")
    figure.savefig(file, dpi=100)


def main():
    torch.manual_seed(0)
    thrower, unseen = Thrower(), situations(500)
    print(f"{'miss on 500 new situations, m':<34} {'median':>8} {'worst':>8}")
    report("the formula without air", formula, *unseen)
    report("the network before training", thrower, *unseen)
    start = time.perf_counter()
    history = train(thrower)
    elapsed = time.perf_counter() - start
    report("the network after training", thrower, *unseen)
    print(f"{ROUNDS * BATCH} throws differentiated in {elapsed:.1f} s")
    if len(sys.argv) > 1:
        draw(sys.argv[1], thrower.eval(), history)


if __name__ == "__main__":
    main()
