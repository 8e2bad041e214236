"""CoRPO in TRL's GRPOTrainer. docs/how_to/trl.md explains the arguments.

pip install '.[pipeline,trl]'              # in a checkout
corpo publish pairs data=full model.style=instruct  # prints the folder of train.parquet
python examples/trl_corpo.py FOLDER/train.parquet
"""

import sys

from datasets import Dataset
from trl import GRPOConfig

from corpo.plugins.trl import CorpoTrainer
from corpo.task import OrdinalReward, parse_response

ordinal = OrdinalReward(levels=10)


def reward(completions, reward_model, **_):
    """Return the ordinal reward of each completion. `reward_model` is a column of the data set."""
    rewards = []
    for completion, info in zip(completions, reward_model, strict=True):
        truth = info["ground_truth"]
        response = parse_response(completion[0]["content"])
        rewards.append(ordinal(response, (truth["a"], truth["b"])))
    return rewards


def main() -> None:
    trainer = CorpoTrainer(
        model="Qwen/Qwen3-0.6B",
        reward_funcs=reward,
        args=GRPOConfig(scale_rewards="none", beta=0.0, num_generations=16),
        train_dataset=Dataset.from_parquet(sys.argv[1]),
        threshold=ordinal.threshold,
    )
    trainer.train()


if __name__ == "__main__":
    main()
