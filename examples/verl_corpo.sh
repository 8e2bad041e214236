#!/usr/bin/env bash
# CoRPO in verl on one machine. docs/how_to/verl.md explains the installation and the options.
#   corpo publish pairs data=full model.style=instruct  # prints the folder of train.parquet
#   DATA=FOLDER bash examples/verl_corpo.sh [verl overrides ...]
# examples/verl_paper.sh has the paper's setting on several nodes.
set -euo pipefail
: "${DATA:?set DATA to the folder of train.parquet}"
exec python3 -m verl.trainer.main_ppo \
    algorithm.adv_estimator=corpo \
    algorithm.use_kl_in_reward=false \
    +ray_kwargs.ray_init.runtime_env.env_vars.VERL_USE_EXTERNAL_MODULES=corpo.plugins.verl_trainer \
    reward.custom_reward_function.path=pkg://corpo.plugins.verl \
    reward.custom_reward_function.name=compute_score \
    data.train_files="$DATA/train.parquet" \
    data.val_files="$DATA/validation.parquet" \
    data.train_batch_size=64 \
    data.max_prompt_length=1024 \
    data.max_response_length=512 \
    actor_rollout_ref.model.path=Qwen/Qwen3-0.6B \
    actor_rollout_ref.actor.optim.lr=1e-6 \
    actor_rollout_ref.actor.ppo_mini_batch_size=64 \
    actor_rollout_ref.actor.use_dynamic_bsz=true \
    actor_rollout_ref.actor.loss_agg_mode=seq-mean-token-sum \
    actor_rollout_ref.rollout.name=vllm \
    actor_rollout_ref.rollout.n=16 \
    trainer.n_gpus_per_node=1 \
    trainer.logger='[console]' \
    "$@"
