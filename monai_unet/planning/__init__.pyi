from .plan import PLAN_FILE, Plan, PlannedChannel, PlannedClass, plan_of, read_plan

__all__ = ["PLAN_FILE", "Plan", "PlannedChannel", "PlannedClass", "plan_of", "read_plan"]
