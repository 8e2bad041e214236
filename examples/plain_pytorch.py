"""Train a toy policy with each baseline of the paper in a plain PyTorch loop.

`python examples/plain_pytorch.py` needs torch and corpo only, and runs on a CPU in seconds. The policy
guesses a number for each prompt. The reward falls with the distance from the right number; a guess at most 2
away is correct, and then the reward is at least 0.2.
"""

import torch

from corpo import advantage_stats, advantages

NUM_PROMPTS, GROUP_SIZE, NUM_GUESSES, THRESHOLD = 16, 8, 20, 0.0


def reward(guesses_PG: torch.Tensor, right_P: torch.Tensor) -> torch.Tensor:
    """Return 1, 0.6 or 0.2 for a correct guess, and -0.2 to -1 for a failure."""
    distance_PG = (guesses_PG - right_P[:, None]).abs()
    return (1 - 0.4 * distance_PG).clamp(min=-1.0)


def train(baseline: str) -> None:
    torch.manual_seed(0)
    right_P = torch.randint(NUM_GUESSES, (NUM_PROMPTS,))
    logits = torch.nn.Parameter(torch.zeros(NUM_PROMPTS, NUM_GUESSES))
    optimizer = torch.optim.Adam([logits], lr=0.1)
    for step in range(1, 101):
        policy = torch.distributions.Categorical(logits=logits[:, None].expand(-1, GROUP_SIZE, -1))
        guesses_PG = policy.sample()
        rewards_PG = reward(guesses_PG, right_P)
        advantages_PG = advantages(rewards_PG, baseline, threshold=THRESHOLD)
        loss = -(advantages_PG * policy.log_prob(guesses_PG)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step in (1, 100):
            stats = advantage_stats(rewards_PG, advantages_PG, THRESHOLD)
            print(
                f"{baseline:6} step {step:3}: pass rate {stats['pass_rate']:.2f}, "
                f"failures with a positive advantage {stats['failed_positive_fraction']:.2f}"
            )


if __name__ == "__main__":
    for name in ("grpo", "static", "corpo"):
        train(name)
