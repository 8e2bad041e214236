#!/usr/bin/env bash
# The setting of experiment=paper on several nodes, through verl with Ray, FSDP2 and vLLM. We have not run it, because we
# lack such machines. docs/how_to/verl.md explains how to prepare the nodes.
#   DATA=outputs/data/KEY/conversations-instruct NODES=2 bash examples/verl_paper.sh [verl overrides ...]
# With one update per batch and no KL term the importance ratio is 1, so verl's clipping has no effect, and
# seq-mean-token-sum is the loss of the paper (arXiv 2511.04439).
set -euo pipefail
: "${DATA:?the folder that corpo publish pairs wrote}" "${NODES:=1}" "${GPUS:=8}"
exec python3 -m verl.trainer.main_ppo \
    algorithm.adv_estimator=corpo \
    algorithm.use_kl_in_reward=false \
    +ray_kwargs.ray_init.runtime_env.env_vars.VERL_USE_EXTERNAL_MODULES=corpo.plugins.verl_trainer \
    reward.custom_reward_function.path=pkg://corpo.plugins.verl \
    reward.custom_reward_function.name=compute_score \
    data.train_files="$DATA/train.parquet" \
    data.val_files="[$DATA/validation.parquet,$DATA/evaluation.parquet]" \
    data.train_batch_size=64 \
    data.max_prompt_length=1024 \
    data.max_response_length=2048 \
    actor_rollout_ref.model.path=Qwen/Qwen3-8B \
    actor_rollout_ref.model.enable_gradient_checkpointing=true \
    actor_rollout_ref.actor.strategy=fsdp2 \
    actor_rollout_ref.actor.optim.lr=1e-6 \
    actor_rollout_ref.actor.ppo_mini_batch_size=64 \
    actor_rollout_ref.actor.ppo_epochs=1 \
    actor_rollout_ref.actor.use_dynamic_bsz=true \
    actor_rollout_ref.actor.ppo_max_token_len_per_gpu=16384 \
    actor_rollout_ref.actor.loss_agg_mode=seq-mean-token-sum \
    actor_rollout_ref.actor.use_kl_loss=false \
    actor_rollout_ref.actor.entropy_coeff=0 \
    actor_rollout_ref.rollout.name=vllm \
    actor_rollout_ref.rollout.n=16 \
    actor_rollout_ref.rollout.temperature=1.0 \
    actor_rollout_ref.rollout.top_p=1.0 \
    actor_rollout_ref.rollout.gpu_memory_utilization=0.5 \
    actor_rollout_ref.rollout.tensor_model_parallel_size=1 \
    actor_rollout_ref.rollout.val_kwargs.do_sample=true \
    actor_rollout_ref.rollout.val_kwargs.temperature=1.0 \
    actor_rollout_ref.rollout.val_kwargs.n=16 \
    trainer.nnodes="$NODES" \
    trainer.n_gpus_per_node="$GPUS" \
    trainer.total_training_steps=300 \
    trainer.test_freq=20 \
    trainer.save_freq=20 \
    trainer.project_name=corpo \
    trainer.experiment_name=paper \
    trainer.logger='[console]' \
    "$@"
