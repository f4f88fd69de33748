"""Bad settings: of `transformers.TrainingArguments`, of TRL, of our own, and in YAML files."""

# ruff: noqa: E501

from __future__ import annotations

from typing import get_type_hints

from bad_inputs import BadInput, read_table, train_words
from transformers import TrainingArguments

OPTIONS = get_type_hints(TrainingArguments)
"""The options of the installed transformers, each with its type: older versions have others."""

NUMBERS = r"""
--max_steps 0  => max_steps must be at least 1, or -1 for num_train_epochs, got 0
--max_steps x  => --max_steps: expected a whole number, got 'x'
--learning_rate -1  => learning_rate must be at least 0 and finite, got -1.0
--learning_rate nan  => learning_rate must be at least 0 and finite, got nan
--warmup_steps -1  => warmup_steps must be a whole number of steps, or a share of the run below 1, got -1.0
--warmup_steps 1.5  => warmup_steps must be a whole number of steps, or a share of the run below 1, got 1.5
--warmup_steps nan  => warmup_steps must be a whole number of steps, or a share of the run below 1, got nan
--warmup_steps inf  => warmup_steps must be a whole number of steps, or a share of the run below 1, got inf
--weight_decay -1  => weight_decay must be at least 0 and finite, got -1.0
--weight_decay nan  => weight_decay must be at least 0 and finite, got nan
--adam_beta1 1.5  => adam_beta1 must be at least 0 and less than 1, got 1.5
--adam_beta2 1  => adam_beta2 must be at least 0 and less than 1, got 1.0
--adam_epsilon 0  => adam_epsilon must be above 0 and finite, got 0.0
--max_grad_norm nan  => max_grad_norm must be at least 0, got nan
--max_grad_norm -1  => max_grad_norm must be at least 0, got -1.0
--neftune_noise_alpha -1  => neftune_noise_alpha must be at least 0 and finite, got -1.0
--torch_empty_cache_steps 0  => torch_empty_cache_steps must be at least 1
--gradient_accumulation_steps -1  => gradient_accumulation_steps must be at least 1
--per_device_train_batch_size 99999999999999999999  => per_device_train_batch_size must be at least 1 and less than 2**31
--per_device_eval_batch_size -1  => per_device_eval_batch_size must be at least 1
--logging_steps 0  => logging_steps must be a whole number of steps, or a share of the run above 0 and below 1, got 0.0
--logging_steps -1  => logging_steps must be a whole number of steps
--logging_steps nan  => logging_steps must be a whole number of steps
--logging_steps inf  => logging_steps must be a whole number of steps
--eval_strategy steps --eval_steps -1  => eval_steps must be a whole number of steps
--eval_strategy steps --eval_steps 1.5  => eval_steps must be a whole number of steps
--save_steps 0  => save_steps must be a whole number of steps
--save_steps nan  => save_steps must be a whole number of steps
--save_total_limit -1  => save_total_limit must be at least 0, got -1
--eval_strategy steps --eval_delay -1  => eval_delay must be at least 0 and finite, got -1.0
--eval_strategy steps --eval_accumulation_steps 0  => eval_accumulation_steps must be at least 1
--seed -1  => seed must be at least 0 and less than 2**32, got -1
--seed x  => --seed: expected a whole number, got 'x'
--data_seed 99999999999999999999999  => data_seed must be at least 0 and less than 2**32
--dataloader_num_workers -1  => dataloader_num_workers must be at least 0 and at most 256, got -1
--dataloader_num_workers 100000  => dataloader_num_workers must be at least 0 and at most 256, got 100000
--dataloader_num_workers 1 --dataloader_prefetch_factor -2  => dataloader_prefetch_factor must be at least 1
--ddp_bucket_cap_mb -1  => ddp_bucket_cap_mb must be at least 1
--ddp_timeout -1  => ddp_timeout must be at least 1
--eval_size 1  => eval_size must be at least 0 and less than 1, got 1.0
--max_length 0  => max_length must be at least 2
--max_dropped 2  => max_dropped must be at least 0 and at most 1, got 2.0
--eval_strategy steps --early_stopping_patience 0  => early_stopping_patience must be at least 1 and less than 2**31, got 0
--use_peft --lora_r 0  => lora_r must be at least 1
--use_peft --lora_alpha -5  => lora_alpha must be at least 1
--use_peft --no_disable_dropout --lora_dropout 1  => lora_dropout must be at least 0 and less than 1, got 1.0
--lora_dropout 2  => lora_dropout must be at least 0 and less than 1, got 2.0
--lr_scheduler_type constant --warmup_steps -1  => warmup_steps must be a whole number of steps, or a share of the run below 1
--center_rewards_coefficient -1  => center_rewards_coefficient must be at least 0 and finite, got -1.0
--num_train_epochs inf  => num_train_epochs must be at least 0 and finite, got inf
"""

CHOICES = r"""
--lr_scheduler_type cosin  => got 'cosin'. Did you mean 'cosine'?
--optim adamw  => --optim: expected one of the values that --help_all lists; got 'adamw'.
--logging_strategy never  => --logging_strategy: expected one of no, steps, epoch; got 'never'
--eval_strategy sometimes  => --eval_strategy: expected one of no, steps, epoch; got 'sometimes'
--save_strategy sometimes  => --save_strategy: expected one of no, steps, epoch, best; got 'sometimes'
--hub_strategy never  => --hub_strategy: expected one of end, every_save, checkpoint, all_checkpoints; got 'never'
--log_level loud  => --log_level: expected one of
--include_num_input_tokens_seen some  => --include_num_input_tokens_seen: expected true or false
--bf16=perhaps  => --bf16: expected true or false, got 'perhaps'
--dtype float64  => --dtype: expected one of auto, float32, bfloat16, float16; got 'float64'.
--debug nonsense  => --debug: expected one of underflow_overflow, tpu_metrics_debug; got 'nonsense'
--ddp_backend nonsense  => --ddp_backend: expected one of nccl, gloo,
--layout nonsense  => --layout: expected one of auto, branches, grouped, padded; got 'nonsense'
--objective nonsense  => --objective: expected one of
--length_policy cut  => --length_policy: expected one of drop, cut_prompt; got 'cut'
--allow_findings nonsense  => allow_findings must be among drops_answer, same_text, unstable, got ['nonsense']
--train_sampling_strategy group_by_length  => train_sampling_strategy must be random or sequential: a pair has two lengths
--dataloader_drop_last  => dataloader_drop_last must be false: evaluations would also drop samples
--eval_do_concat_batches false  => eval_do_concat_batches must be true: the metrics are computed from all scores
--batch_eval_metrics  => batch_eval_metrics must be false: the metrics are computed from all scores
--remove_unused_columns  => remove_unused_columns must be false: it would remove the columns that are trained on
--parallelism_config {}  => --parallelism_config: expected a value that only Python code can pass, got '{}'
--resume_from_checkpoint nowhere  => there is no checkpoint nowhere to continue from
--resume_from_checkpoint rows.jsonl  => there is no checkpoint rows.jsonl to continue from
--resume_from_checkpoint model  => model is damaged: it has no preftemplates-manifest.json
"""

ARGUMENTS = r"""
--lr_scheduler_type inverse_sqrt --lr_scheduler_kwargs {"timescale":0}  => cannot be created: division by zero; lr_scheduler_kwargs may hold timescale
--lr_scheduler_type polynomial --lr_scheduler_kwargs {"power":"x"}  => lr_scheduler_type polynomial with lr_scheduler_kwargs {'power': 'x'} cannot be created:
--lr_scheduler_type warmup_stable_decay  => lr_scheduler_type warmup_stable_decay cannot be created: get_wsd_schedule() missing 1 required
--lr_scheduler_type cosine --lr_scheduler_kwargs [1]  => lr_scheduler_kwargs must be a mapping from names to values, such as {"name": 1}, got '[1]'
--lr_scheduler_type cosine --lr_scheduler_kwargs {broken  => --lr_scheduler_kwargs: expected a mapping in JSON, got '{broken'
--lr_scheduler_type constant --lr_scheduler_kwargs {"a":1}  => it takes no arguments; leave lr_scheduler_kwargs out
--lr_scheduler_type cosine_with_min_lr  => lr_scheduler_type cosine_with_min_lr cannot be created:
--lr_scheduler_type reduce_lr_on_plateau  => lr_scheduler_type reduce_lr_on_plateau needs evaluations; add --eval_strategy steps
--optim sgd --optim_args x  => optim sgd with optim_args x cannot be created:
--optim sgd --optim_args momentum=x  => optim sgd with optim_args momentum=x cannot be created:
--optim sgd --optim_args nonsense=1  => optim_args nonsense has no effect with optim sgd; leave it out, or name another --optim
--optim adamw_torch --optim_args betas=1  => optim_args betas has no effect with optim adamw_torch
--optim adamw_torch --optim_target_modules attn  => optim_target_modules has no effect with optim adamw_torch
--optim rmsprop --adam_beta1 0.5  => adam_beta1 has no effect with optim rmsprop
--accelerator_config nonsense.json  => accelerator_config: nonsense.json cannot be read as JSON: No such file or directory
--accelerator_config {"nonsense":1}  => accelerator_config: there is no key 'nonsense'; expected one of split_batches,
--accelerator_config {"dispatch_batches":true}  => accelerator_config: dispatch_batches must be false: each process reads its own samples
--accelerator_config {"gradient_accumulation_kwargs":{"nonsense":3}}  => accelerator_config: gradient_accumulation_kwargs:
--torch_compile --torch_compile_backend nonsense  => torch_compile_backend must be one of eager,
--torch_compile_mode nonsense  => torch_compile_mode must be one of default,
--metric_for_best_model acc --eval_strategy steps  => metric_for_best_model must be one of loss, accuracy,
--save_strategy best --eval_strategy steps  => save_strategy best needs a metric to compare; add --metric_for_best_model loss
--save_strategy best  => save_strategy best needs a metric to compare; add --metric_for_best_model loss
--load_best_model_at_end  => load_best_model_at_end needs an evaluation before each checkpoint, but eval_strategy is no and save_strategy is steps
--early_stopping_patience 3 --eval_strategy steps --load_best_model_at_end false  => early_stopping_patience keeps the best weights, but load_best_model_at_end is false; set it to true
--early_stopping_patience 3 --eval_strategy steps --save_strategy no  => early_stopping_patience keeps the best weights, but save_strategy no saves no checkpoints; set it to steps
--early_stopping_patience 3 --eval_strategy steps --metric_for_best_model acc  => metric_for_best_model must be one of loss, accuracy,
--load_best_model_at_end --eval_strategy steps --eval_steps 3 --save_steps 4  => save_steps 4 is not a multiple of eval_steps 3
--load_best_model_at_end --eval_strategy steps --eval_steps 0.1 --save_steps 4  => save_steps 4 is not a multiple of eval_steps 0.1
--dataloader_persistent_workers  => dataloader_persistent_workers needs data loader workers; add --dataloader_num_workers 1
--dataloader_prefetch_factor 2  => dataloader_prefetch_factor needs data loader workers
--attn_implementation eager --layout branches  => attn_implementation has no effect with layout branches, which computes attention itself
--head_from nonsense  => head_from: model has no weights nonsense.weight in safetensors
--attn_implementation nonsense  => model cannot be loaded as a reward model: Specified `attn_implementation="nonsense"` is not supported
--objective margin  => objective margin learns from the label margin, but no pair has one
--pad_token question  => the pad token 'question' is in the texts of 36 of 36 pairs, more than the 5% allowed; name another
--max_length 3  => too long for 3 tokens; use a larger --max_length
--use_peft --lora_target_modules nonsense  => lora_target_modules: the model has no module 'nonsense'; its linear modules are down_proj, gate_proj,
--use_peft --lora_target_modules q_prj  => the model has no module 'q_prj'; its linear modules are
--use_peft --lora_target_modules input_layernorm  => is not supported; the model's linear modules are down_proj,
--use_peft --lora_target_modules score  => lora_target_modules: No modules were targeted for adaptation; the model's linear modules are
--use_peft --lora_modules_to_save nonsense  => lora_modules_to_save: the model has no module 'nonsense'; its linear modules are
"""

MACHINE = r"""
--fp16  => fp16 needs a GPU; on a CPU, leave it out, or use bf16
--bf16  => bf16 needs a GPU that supports it; to compute in bfloat16 on the CPU, add --use_cpu
--fp16 --bf16  => fp16 and bf16 are both on; keep one
--tf32 true  => --tf32 requires Ampere or a newer GPU
--attn_implementation flex_attention  => attn_implementation flex_attention needs a GPU; on a CPU, leave it out, or use sdpa
--attn_implementation flash_attention_2  => model cannot be loaded as a reward model: FlashAttention2
--report_to nonsense  => report_to must be one of none, all, azure_ml,
--report_to wandb  => report_to wandb needs its package
--report_to mlflow  => report_to mlflow needs its package
--optim adamw_bnb_8bit  => optim adamw_bnb_8bit cannot be created: You need to install `bitsandbytes`
--optim galore_adamw --optim_target_modules attn  => optim galore_adamw cannot be created: You need to install `galore_torch`
--optim schedule_free_adamw  => optim schedule_free_adamw cannot be created: You need to install `schedulefree`
--use_liger_kernel  => use_liger_kernel needs its package
--deepspeed nonsense.json  => deepspeed needs its package
--fsdp full_shard  => fsdp needs several processes; start them with torchrun, or leave it out
--ddp_backend nccl  => ddp_backend nccl: Default process group has not been initialized
--push_to_hub  => push_to_hub: the environment variable HF_HUB_OFFLINE turns the hub off; unset it
--push_to_hub --hub_model_id a/b/c  => hub_model_id: Repo id must be in the form
"""

WITHOUT_EFFECT = r"""
--do_train false  => do_train false has no effect: this command always trains
--do_predict  => do_predict true has no effect:
--disable_tqdm false  => disable_tqdm false has no effect: each log entry is printed as a line
--average_tokens_across_devices false  => average_tokens_across_devices false has no effect:
--label_names labels  => label_names has no effect: the template names the labels
--include_for_metrics inputs  => include_for_metrics has no effect: the metrics are computed from the scores
--local_rank 3  => local_rank has no effect: torchrun gives each process its rank
--lora_r 4  => lora_r has no effect without LoRA; add --use_peft
--use_dora  => use_dora has no effect without LoRA; add --use_peft
--save_adapter  => save_adapter has no effect without LoRA; add --use_peft
--early_stopping_patience 3  => early_stopping_patience has no effect without evaluations in the run; add --eval_strategy steps
--early_stopping_threshold 0.1  => early_stopping_threshold has no effect without early stopping; add --early_stopping_patience 3
--use_peft --lora_dropout 0.5  => lora_dropout has no effect while dropout is disabled; add --no_disable_dropout
--model_revision nonsense  => model_revision has no effect for a model in a local directory; leave it out
--eval_steps 5  => eval_steps has no effect without eval_strategy steps; add --eval_strategy steps
--metric_for_best_model accuracy  => metric_for_best_model has no effect without evaluations in the run; add --eval_strategy steps
--save_strategy no --save_steps 5  => save_steps has no effect without save_strategy steps; add --save_strategy steps
--logging_strategy epoch --logging_steps 5  => logging_steps has no effect without logging_strategy steps; add --logging_strategy steps
--lr_scheduler_type constant --warmup_steps 5  => warmup_steps has no effect with lr_scheduler_type constant; add --lr_scheduler_type constant_with_warmup
--hub_model_id a/b  => hub_model_id has no effect without push_to_hub; add --push_to_hub
--run_name x  => run_name has no effect without report_to; name a program with --report_to
--trackio_space_id x  => trackio_space_id has no effect without trackio; add --report_to trackio
--fsdp_config {"a":1}  => fsdp_config has no effect without FSDP; add --fsdp
--liger_kernel_config {"rope":true}  => liger_kernel_config has no effect without the Liger kernel; add --use_liger_kernel
"""

NAMES = r"""
--torch_dtype bfloat16  => --torch_dtype is not supported: it is called --dtype here, as in TRL
--torch_dtpe float32  => there is no option --torch_dtpe. Did you mean --dtype?
--trust_remote_code  => --trust_remote_code is not supported: code in a checkpoint is never run
--load_in_4bit  => --load_in_4bit is not supported: weights are not quantised; to save memory, use --use_peft with --dtype bfloat16
--quantization_config x  => --quantization_config is not supported: weights are not quantised
--batch_size 3  => --batch_size is not supported: it is called --per_device_train_batch_size
--evaluation_strategy no  => --evaluation_strategy is not supported: it is called --eval_strategy
--gradient_checkpointng  => there is no option --gradient_checkpointng. Did you mean --gradient_checkpointing?
--tokenizer x  => there is no option --tokenizer; preftemplates-train --help shows the options
--config nonsense.yaml  => nonsense.yaml cannot be read: No such file or directory
--config model  => model cannot be read: Is a directory
"""

CHECKPOINTING = r"""
--activation_checkpointing --activation_checkpointing_kwargs {"nonsense":5}  => activation_checkpointing_kwargs: there is no argument 'nonsense'; expected one of use_reentrant,
--activation_checkpointing --activation_checkpointing_kwargs nonsense  => activation_checkpointing_kwargs must be a mapping
--activation_checkpointing_kwargs {"use_reentrant":true}  => activation_checkpointing_kwargs has no effect without activation checkpointing; add --activation_checkpointing
"""

INTERVAL = r"""
--activation_checkpointing --activation_checkpointing_kwargs {"every_n_layers":0}  => activation_checkpointing_kwargs: every_n_layers must be a whole number, at least 1, got 0
--activation_checkpointing --activation_checkpointing_kwargs {"every_n_layers":"x"}  => activation_checkpointing_kwargs: every_n_layers must be a whole number, at least 1, got 'x'
--gradient_checkpointing_kwargs {"use_reentrant":true}  => gradient_checkpointing_kwargs has no effect without gradient checkpointing; add --gradient_checkpointing
"""

REMOVED = r"""
--warmup_ratio 0.1  => --warmup_ratio is not supported: --warmup_steps also accepts a share of the run, such as 0.1
--logging_dir x  => --logging_dir is not supported: the programs in --report_to have their own settings for it
"""

NOT_YET_REMOVED = r"""
--warmup_ratio 2  => warmup_ratio must be at least 0 and less than 1, got 2.0
--warmup_ratio nan  => warmup_ratio must be at least 0 and less than 1, got nan
--warmup_ratio 0.1 --warmup_steps 5  => warmup_steps has no effect next to warmup_ratio; keep one
--lr_scheduler_type constant --warmup_ratio 0.1  => warmup_ratio has no effect with lr_scheduler_type constant
--logging_dir x  => logging_dir has no effect: the programs in --report_to have their own settings for it
"""


def _list_tables_by_version() -> tuple[str, ...]:
    """The tables of options that the installed transformers has, lacks, or has under another name."""
    is_renamed = "activation_checkpointing" in OPTIONS
    checkpointing = CHECKPOINTING if is_renamed else CHECKPOINTING.replace("activation_", "gradient_")
    ways = "--fsdp: expected one of full_shard, shard_grad_op,"
    fsdp = f"--fsdp nonsense  => {ways if 'FSDPOption' in str(OPTIONS['fsdp']) else 'Unknown `fsdp` option: nonsense'}"
    removed = NOT_YET_REMOVED if "warmup_ratio" in OPTIONS else REMOVED
    return (checkpointing, INTERVAL if is_renamed else "", fsdp, removed)


YAML = {
    "empty": ("", "expected settings and their values, got None"),
    "a list": ("- a", "expected settings and their values, got ['a']"),
    "broken": ("a: [", "bad.yaml line 1: while parsing a flow node"),
    "a tab": ("\ta: 1", "bad.yaml line 1: a tab where YAML expects spaces"),
    "a key twice": ("seed: 1\nseed: 2", "bad.yaml line 2: the key seed is repeated"),
    "an unknown key": ("sead: 1", "bad.yaml: there is no setting 'sead'. Did you mean 'seed'?"),
    "TRL's key": ("load_in_4bit: true", "bad.yaml: load_in_4bit is not supported: weights are not quantised"),
    "a mapping for a number": ("learning_rate: {a: 1}", "bad.yaml: learning_rate: expected a number, got {'a': 1}"),
    "a list for a number": ("seed: [1]", "bad.yaml: seed: expected a whole number, got [1]"),
    "an alias": ("a: &a [*a]", "bad.yaml line 1: aliases are not supported"),
    "an object of Python": ("!!python/object:os.system {}", "could not determine a constructor for the tag"),
    "a number for a key": ("1: 2", "bad.yaml: there is no setting 1."),
    "out of range without an effect": ("lora_dropout: 2", "lora_dropout must be at least 0 and less than 1, got 2.0"),
    "not a number": ("learning_rate: .nan", "learning_rate must be at least 0 and finite, got nan"),
    "a date": ("seed: 2020-01-01", "bad.yaml: seed: expected a whole number, got datetime.date(2020, 1, 1)"),
    "a text for sources": ("datasets: x", "bad.yaml: datasets: expected a mapping, got 'x'"),
    "a list for a mapping": ("lr_scheduler_kwargs: [1]", "lr_scheduler_kwargs: expected text or a mapping, got [1]"),
    "numbers for names": ("lr_scheduler_kwargs: {1: 2}", "lr_scheduler_kwargs must be a mapping from names to values"),
    "two documents": ("seed: 1\n---\nseed: 2", "bad.yaml line 2: expected a single document"),
    "another encoding": ("output_dir: é".encode("latin-1"), "bad.yaml cannot be read: it is not UTF-8"),
    "5,000 digits": ("seed: " + "9" * 5000, "bad.yaml: this is not YAML: Exceeds the limit"),
    "a number for a switch": ("use_peft: 1", "bad.yaml: use_peft: expected true or false, got 1"),
    "no value": ("learning_rate:", "bad.yaml: learning_rate: expected a number, got None"),
    "a number for a folder": ("output_dir: 5", "bad.yaml: output_dir: expected text, got 5; put it in quotes"),
    "a null character": (
        'model_name_or_path: "a\\0b"',
        "a\\x00b: its tokenizer cannot be loaded: Repo id must use alphanumeric chars",
    ),
    "another file": ("config: x.yaml", "bad.yaml: config: a settings file cannot name another one"),
}


def _make_yaml(name: str, content: str | bytes, message: str) -> BadInput:
    data = content if isinstance(content, bytes) else content.encode()
    words = ("--config", "bad.yaml", *train_words())
    if name in ("a null character", "a number for a folder"):
        words = ("--config", "bad.yaml", *train_words(model_name_or_path=None, output_dir=None))
    return BadInput(f"YAML: {name}", words, message, prepare=lambda folder: (folder / "bad.yaml").write_bytes(data))


BAD_SETTINGS = [
    *(
        case
        for table in (NUMBERS, CHOICES, ARGUMENTS, MACHINE, WITHOUT_EFFECT, NAMES, *_list_tables_by_version())
        for case in read_table(table)
    ),
    *(_make_yaml(name, *case) for name, case in YAML.items()),
]
"""Each with the words of a run that would be good without it."""
