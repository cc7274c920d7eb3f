// ServicePlan
